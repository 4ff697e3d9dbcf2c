"""What is measured, which sets of data it needs, and where those come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bench.ml.line import Line

SOURCES: Mapping[str, tuple[str, str]] = {
    "bank_telemarketing": ("bank-additional-full.csv.gz", "UCI repository 222, Bank Marketing, CC BY 4.0, gzipped"),
    "cdnow": ("CDNOW_master.txt.gz", "CDNOW_master.txt out of the package lifetimes 0.11.3, gzipped"),
    "gotv_phone_selection": ("gerber_green_imai.csv.gz", "GerberGreenImai out of the R package Matching, gzipped"),
    "hillstrom_email": ("hillstrom.csv.gz", "the MineThatData e-mail challenge of 2008, gzipped"),
    "iranian_churn": ("iranian_churn.csv", "UCI repository 563, Iranian Churn, CC BY 4.0"),
    "online_retail": ("online_retail.csv.gz", "UCI repository 352, Online Retail, CC BY 4.0, as CSV, gzipped"),
    "telco_churn_ibm": ("telco.csv", "IBM's sample WA_Fn-UseC_-Telco-Customer-Churn.csv, unchanged"),
}  # fmt: skip
"""Set → its file within a folder of that name, and what it is."""


@dataclass(frozen=True)
class Subject:
    """A function of a module of `bench.ml` that gives lines, and the sets it reads.

    `within` is the set whose own folder it wants instead of the folder of all. `long`: it takes so long, or needs so
    much, that it is only measured when it is asked for by name; then this says why. `note`: what a reader of the
    figures must know.
    """

    name: str
    module: str
    function: str = "run"
    needs: Sequence[str] = ()
    within: str = ""
    long: str = ""
    note: str = ""

    def missing(self, data: Path | None) -> list[str]:
        """The sets that are not there."""
        return [one for one in self.needs if data is None or not (data / one / SOURCES[one][0]).is_file()]

    def run(self, data: Path | None) -> list[Line]:
        """Measure it."""
        ask: Callable[[Path], list[Line]] = getattr(import_module(self.module), self.function)
        return ask((data or Path()) / self.within)


SUBJECTS: tuple[Subject, ...] = (
    Subject("churn.telco", "bench.ml.churn", "telco", ("telco_churn_ibm",)),
    Subject(
        "churn.iranian", "bench.ml.churn", "iranian", ("iranian_churn",),
        note="The champion is chosen anew in each fold, by customers held out of those who teach.",
    ),
    Subject(
        "churn.online_retail", "bench.ml.churn", "online_retail", ("online_retail",),
        note="From invoices as events through our own features, labels and training.",
    ),
    Subject(
        "churn.telemarketing", "bench.ml.churn", "telemarketing", ("bank_telemarketing",),
        note="The world changed between the calls that teach (one in 16 bought) and those that judge (one in 3). "
        "The plain logistic regression was named beforehand and goes on beyond the values it has seen; our own "
        "candidates do not, and lose by it here. The marked champion, chosen on the latest fifth of the calls that "
        "teach, is worse than one column alone: the past did not tell which model would last.",
    ),
    Subject("value", "bench.ml.value", needs=("cdnow",)),
    Subject("uplift", "bench.ml.uplift", needs=("hillstrom_email", "gotv_phone_selection")),
    Subject("related", "bench.ml.related", needs=("online_retail",)),
    Subject("persona", "bench.ml.persona", needs=("online_retail",)),
    Subject("offer", "bench.ml.offer", needs=("hillstrom_email",)),
    Subject("list_profit", "bench.ml.list_profit", needs=("telco_churn_ibm",), within="telco_churn_ibm"),
    Subject("features", "bench.ml.features", note="Drawn events in the layout of an export, on two threads."),
    Subject("scoring", "bench.ml.scoring", note="A drawn table read from a file; the model is ready. One thread."),
    Subject(
        "simulator", "bench.ml.simulator",
        long="it starts PostgreSQL and Kafka and may take twenty minutes",
    ),
)  # fmt: skip


def chosen(only: str | None) -> list[Subject]:
    """Those of these names, or of a name before the point; all but the long ones without. ValueError for no such."""
    if not only:
        return [one for one in SUBJECTS if not one.long]
    found: list[Subject] = []
    for name in only.split(","):
        meant = [one for one in SUBJECTS if name in (one.name, one.name.partition(".")[0])]
        if not meant:
            raise ValueError(f"there is no {name}: there are {', '.join(one.name for one in SUBJECTS)}")
        found += meant
    return list(dict.fromkeys(found))
