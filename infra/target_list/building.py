"""Building target lists: candidates gathered as of a moment, frozen, then published, each once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import func, select, update

from events.target_list import TargetListMemberAdded, TargetListPublished
from events.vocabulary import Origin
from infra.database import unavailable
from infra.ids import derived_id
from infra.target_list import drawing, leaving
from infra.target_list.candidates import Gathered, gather
from infra.target_list.rows import announced, freeze, frozen, left_out_by
from infra.target_list.terms import Terms, of_workspace, written
from infra.workspace import Workspace
from models.domain.target_list import (
    Brief,
    ListPurpose,
    ListRow,
    canonical,
    digest,
)
from models.domain.target_list import (
    build as build_rows,
)
from models.errors import Refused
from models.ports import By, Write
from models.tables.lists import target_list

ACTOR = "touchstone list build"
TOP = 10
_TURN = 7_305_000_131
"""An advisory lock of PostgreSQL: whoever builds a list holds it."""

PURPOSES: dict[str, ListPurpose] = {
    "retention": "retention", "winback": "win_back", "win_back": "win_back", "care": "care",
}  # fmt: skip
"""What people may call a purpose."""

log = structlog.get_logger()
_MEMBER_FIELDS = frozenset(TargetListMemberAdded.__struct_fields__)


class BuiltList(Struct, frozen=True, kw_only=True):
    """A list as it stands in the journal. `new` is False where it had been built before."""

    list_id: str
    published: TargetListPublished
    new: bool
    top: tuple[ListRow, ...]
    rules: dict[str, int]
    """How many were left out by each rule."""


def build(
    workspace: Workspace, purpose: str, as_of: datetime | None = None, issuer: str | None = None,
    artifact: str | None = None, seed: str | None = None,
) -> BuiltList:  # fmt: skip
    """Build and publish the list of a purpose under the workspace's own rules; see `build_on`."""
    return build_on(workspace, terms_for(workspace, purpose, issuer), as_of, artifact, seed)


def build_on(
    workspace: Workspace, terms: Terms, as_of: datetime | None = None, artifact: str | None = None,
    seed: str | None = None,
) -> BuiltList:  # fmt: skip
    """Build and publish a list; the same question asked again gives the same list.

    `as_of`: a past moment, and only what was known by then counts; now, if not given. `artifact`: whose scores
    count; by default those of the latest scoring. `seed`: of the hold-out's draw; by default it follows from
    purpose, moment and definition.

    Raises `Refused` (`list.as_of_ahead`, `list.by_whom`, `list.nobody`, `list.no_scores`), `Unavailable`. A list
    that an earlier run left half published is completed first.
    """
    if terms.approval and not terms.asked_by:
        raise Refused(
            "list.by_whom", "a second person must approve this list: say who asks for it (--by NAME)"
        )
    with _turn(workspace):
        now = workspace.clock.now()
        moment = moment_of(as_of, now)
        complete(workspace)
        published, lines = decide(moment, gather(workspace, terms, moment, artifact=artifact), seed)
        origin: Origin = "live" if as_of is None else "replay"
        if origin == "live" and (former := _former(workspace, terms.series, moment)):
            published = msgspec.structs.replace(published, replaces=former.list_id)
        new = freeze(
            workspace, published, lines, origin, now, priority=terms.priority, days_open=terms.rules.days_open
        )
        complete(workspace)
    log.info("list built", list=published.list_id, purpose=published.purpose, new=new)
    return _told(workspace, published.list_id, new)


@contextmanager
def _turn(workspace: Workspace) -> Iterator[None]:
    """One list after the other: the second must see whom the first has drawn and held out."""
    with unavailable(), workspace.engine.connect() as connection:
        connection.execute(select(func.pg_advisory_lock(_TURN)))
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(_TURN)))


def terms_for(workspace: Workspace, purpose: str, issuer: str | None = None) -> Terms:
    """The workspace's own terms for what people may call a purpose. Raises `Refused` (`list.purpose`)."""
    if purpose not in PURPOSES:
        raise Refused("list.purpose", f"a list is for one of: {', '.join(sorted(PURPOSES))}")
    return of_workspace(workspace, PURPOSES[purpose], issuer)


def moment_of(as_of: datetime | None, now: datetime) -> datetime:
    """As of when a list is built, in UTC. Raises `Refused` (`list.as_of_ahead`) for a moment that has not come."""
    if as_of is not None and as_of > now:
        raise Refused("list.as_of_ahead", "a list cannot be built as of a moment that has not come yet")
    return (as_of or now).astimezone(UTC)


def complete(workspace: Workspace) -> int:
    """Publish what is frozen and not wholly in the journal yet; how many lists that were.

    Rows are frozen before the first event is recorded, so that a list, once begun, is finished with
    the same members however often it is interrupted. The journal's own dedupe makes a repeat harmless.
    """
    with unavailable(), workspace.engine.connect() as connection:
        open_lists = connection.execute(
            select(target_list.c.list_id, target_list.c.published, target_list.c.origin)
            .where(target_list.c.recorded_at.is_(None))
            .order_by(target_list.c.built_at, target_list.c.list_id)
        ).all()
    for list_id, data, origin in open_lists:
        _publish(workspace, announced.decode(data), origin)
        with unavailable(), workspace.engine.begin() as connection:
            connection.execute(
                update(target_list)
                .where(target_list.c.list_id == list_id)
                .values(recorded_at=workspace.clock.now())
            )
    return len(open_lists)


def decide(
    moment: datetime, gathered: Gathered, seed: str | None = None
) -> tuple[TargetListPublished, list[tuple[ListRow, bytes]]]:
    """The announcement and the rows, nothing frozen yet; the id follows from everything that decides them."""
    terms = gathered.terms
    definition = written(terms)
    decisive = {name: value for name, value in definition.items() if name != "asked_by"}
    said = msgspec.json.encode(decisive, order="sorted").decode()
    seed = seed or sha256("\x1f".join((terms.purpose, moment.isoformat(), said)).encode()).hexdigest()[:16]
    brief = Brief(
        purpose=terms.purpose, as_of=moment, rules=terms.rules, reach=terms.reach, currency=terms.currency,
        seed=seed, calling=terms.calling, measured=terms.effect == "measured",
    )  # fmt: skip
    rows = build_rows(brief, gathered.candidates)
    lines = canonical(rows)
    hashed, count = digest(lines), Counter(row.part for row in rows)
    ids = (terms.purpose, moment.isoformat(), said, gathered.artifact, seed, hashed)
    published = TargetListPublished(
        list_id=derived_id("target_list", *ids), purpose=terms.purpose, series=terms.series, as_of=moment,
        position=gathered.position,
        definition=definition, artifact=gathered.artifact, holdout_seed=seed, candidates=len(rows),
        members=count["member"], holdout=count["holdout"], suppressed=count["suppressed"],
        beyond=count["beyond"], sha256=hashed,
    )  # fmt: skip
    for row in rows:  # what no event can say must show before anything is frozen
        if row.part == "member":
            _member(row, published)
    return published, list(zip(rows, lines, strict=True))


def _publish(workspace: Workspace, published: TargetListPublished, origin: Origin) -> None:
    def by(source_id: str, customer: str = "") -> By:
        return By(
            source=f"target_list:{published.list_id}", source_id=source_id, actor=ACTOR, origin=origin,
            customer=customer,
        )  # fmt: skip

    announced = Write(
        stream=f"target_list-{published.list_id}", expected=0, events=[(published, published.as_of)]
    )
    workspace.log.record(by("published"), [announced])
    after = 0
    while True:
        with unavailable(), workspace.engine.connect() as connection:
            page = frozen(connection, published.list_id, ["member"], after=after)
        if not page:
            break
        after = page[-1][0]
        workspace.log.record_batch([
            (by(row.customer, row.customer), [Write(stream="", expected=0, events=[
                (_member(row, published), published.as_of)
            ])])
            for _, row in page
        ])  # fmt: skip
    if origin == "live":
        if "approval" not in published.definition:
            drawing.draw(workspace, published, published.as_of)
        if published.replaces:
            leaving.replace(workspace, published, _announced(workspace, published.replaces))


def _former(workspace: Workspace, series: str, moment: datetime) -> TargetListPublished | None:
    """The newest live list of a series, if its rows are still good."""
    table = target_list.c
    query = (
        select(table.published)
        .where(
            table.series == series, table.origin == "live", table.as_of < moment, table.expires_at > moment
        )
        .order_by(table.as_of.desc())
        .limit(1)
    )
    with unavailable(), workspace.engine.connect() as connection:
        data = connection.execute(query).scalar_one_or_none()
    return announced.decode(data) if data else None


def _announced(workspace: Workspace, list_id: str) -> TargetListPublished:
    with unavailable(), workspace.engine.connect() as connection:
        query = select(target_list.c.published).where(target_list.c.list_id == list_id)
        return announced.decode(connection.execute(query).scalar_one())


def _member(row: ListRow, published: TargetListPublished) -> TargetListMemberAdded:
    """The row as an event; a member's row has everything, and convert holds us to it."""
    about = {"list_id": published.list_id, "series": published.series, "purpose": published.purpose}
    fields = {name: getattr(row, name) for name in ListRow.__struct_fields__ if name in _MEMBER_FIELDS}
    return msgspec.convert(about | fields, TargetListMemberAdded)


def _told(workspace: Workspace, list_id: str, new: bool) -> BuiltList:
    """The list as it was published; asked for once more, by the words of the first time."""
    published = _announced(workspace, list_id)
    with unavailable(), workspace.engine.connect() as connection:
        top = frozen(connection, list_id, ["member"], limit=TOP)
        rules = left_out_by(connection, list_id)
    return BuiltList(
        list_id=list_id, published=published, new=new, top=tuple(row for _, row in top), rules=rules
    )
