"""A built list as the demo shows it, and as files beside the report."""

from pathlib import Path

from infra.target_list import files as list_files
from infra.target_list.building import BuiltList
from infra.workspace import Workspace
from services.demo.result import ListResult, ListRow


def shown(workspace: Workspace, built: BuiltList, folder: Path) -> ListResult:
    """The list's counts, its first rows with why, and its files in every format."""
    said = built.published
    return ListResult(
        purpose=said.purpose, id=built.list_id, new=built.new, candidates=said.candidates,
        members=said.members, holdout=said.holdout, suppressed=said.suppressed, beyond=said.beyond,
        left_out=built.rules, files=[path.name for path in list_files.write_all(workspace, built.list_id, folder)],
        rows=[
            ListRow(
                rank=row.rank, customer=row.customer, probability=row.probability or 0.0,
                value=f"{row.value} {row.currency}" if row.value is not None else "no data",
                channel=row.channel or "unknown", offer=row.offer, because=list(row.why or row.because),
            )
            for row in built.top
        ],
    )  # fmt: skip
