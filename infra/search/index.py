"""The index that texts and names are found by: filled from the journal, rewritten when somebody is forgotten.

It holds words under a key, never a text; whose an event is it does not hold either, for that changes.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import Connection, Engine, delete, func, select, text, update

from events import codec, registry
from events.customer import CustomerDescribed
from events.envelope import Envelope
from events.touch import TouchCorrected
from infra.database import among, copy_rows, unavailable
from infra.feeds import JOURNAL, Batch
from infra.intake import personal_fields
from infra.journal.stored import read
from infra.matching import Matcher
from infra.personal.opening import ERASED, UNREADABLE, Published, open_events
from infra.process.heart import Heart
from infra.projector import Fenced
from infra.quarantine import aside
from infra.vault import Vault
from models.domain.name import spellings
from models.domain.word import words
from models.tables.journal import journal
from models.tables.readers import reader_position
from models.tables.search import search_name, search_text

READER = "search"
CHUNK = 2_000
NOT_TEXT = frozenset({"name", "birthday", "address"})
"""Personal fields of a description that say who or where somebody is, not what was said."""

_TURN = 7_305_000_121
"""An advisory lock of PostgreSQL: whoever forgets waits for those who index, and they for him."""

_TABLES = (search_text, search_name)
_TEXT = ["event_id", "customer", "occurred_at", "channel", "tokens"]
_NAME = ["event_id", "customer", "tokens"]


class SearchIndex:
    """Writes the index. Raises `Unavailable`."""

    def __init__(self, engine: Engine, vault: Vault, matcher: Matcher, heart: Heart | None = None) -> None:
        self._engine, self._vault, self._matcher, self._heart = engine, vault, matcher, heart or Heart()

    def write(self, connection: Connection, envelopes: Sequence[Envelope]) -> None:
        """Index these events as they are now; doing it twice changes nothing. What is erased is left out.

        Keys are fetched in the forgetters' turn: none is deleted between that and our commit without its
        rows going too.
        """
        connection.execute(select(func.pg_advisory_xact_lock_shared(_TURN)))
        told = [one for one in envelopes if texts_of(one.type) or one.type == CustomerDescribed.WIRE]
        opened = open_events(
            self._vault, [Published(one.event_id, one.type, codec.encode(one.event)) for one in told]
        )
        texts, names = [], []
        for one, data in zip(told, opened, strict=True):
            self._heart.handle(one.event_id)
            if found := words_in(one.type, data):
                tokens = self.tokens("text", found)
                channel = data.get("channel", "")
                texts.append((one.event_id, one.customer or None, one.occurred_at, channel, tokens))
            if one.type == CustomerDescribed.WIRE and (name := readable(data.get("name"))):
                found = spellings(name)
                names.append((one.event_id, one.customer or None, self.tokens("name", found)))
        self._heart.wait()
        _remove(connection, [one.event_id for one in told])
        copy_rows(connection, search_text, _TEXT, texts)
        copy_rows(connection, search_name, _NAME, names)
        for one in envelopes:
            if isinstance(one.event, TouchCorrected):
                _correct(connection, one.event)

    def tokens(self, about: str, found: Iterable[str]) -> list[int]:
        """What stands for these words in the index (`text` or `name`)."""
        return sorted(self._matcher.word(about, one) for one in found)

    def rebuild(self) -> Iterator[tuple[int, int]]:
        """Index the whole journal anew while the worker goes on; yields (position, last position)."""
        position = 0
        while True:
            with unavailable(), self._engine.begin() as connection:
                head = connection.execute(text("SELECT position FROM journal_head")).scalar_one()
                envelopes = read(
                    connection, journal.c.position > position, journal.c.position <= position + CHUNK,
                    journal.c.type.in_(_indexed()),
                )  # fmt: skip
                self.write(connection, envelopes)
            position = min(position + CHUNK, head)
            yield position, head
            if position >= head:
                return


class Indexer:
    """Keeps the index up with the journal. `holder` names this process; the last to claim is the only one."""

    def __init__(self, engine: Engine, index: SearchIndex, holder: str) -> None:
        self._engine, self._index, self._holder = engine, index, holder

    def claim(self, partition: int, topic_id: str) -> int:
        """Become the one that writes; the position to go on after."""
        with unavailable(), self._engine.begin() as connection:
            return int(
                connection.execute(
                    text(
                        'INSERT INTO reader_position (reader, partition, topic_id, "offset", position, holder) '
                        "VALUES (:reader, :partition, :topic, 0, 0, :holder) ON CONFLICT (reader, partition) "
                        'DO UPDATE SET holder = :holder RETURNING "offset"'
                    ),
                    {"reader": READER, "partition": partition, "topic": topic_id, "holder": self._holder},
                ).scalar_one()
            )

    def take(self, batches: Sequence[Batch]) -> None:
        """Index batches, each with the reader's place in one transaction. Raises `Fenced`, `Unavailable`."""
        for batch in batches:
            with unavailable(), self._engine.begin() as connection:
                self._hold(connection)
                passed_over = aside.held(connection, READER)
                for start in range(0, len(batch.envelopes), CHUNK):
                    some = batch.envelopes[start : start + CHUNK]
                    self._index.write(connection, [one for one in some if one.event_id not in passed_over])
                if batch.next_offset is not None:
                    connection.execute(
                        update(reader_position)
                        .where(reader_position.c.reader == READER)
                        .values(offset=batch.next_offset, position=batch.next_offset)
                    )

    def _hold(self, connection: Connection) -> None:
        held = connection.execute(
            select(reader_position.c.holder)
            .where(reader_position.c.reader == READER, reader_position.c.topic_id == JOURNAL)
            .with_for_update()
        ).scalar()
        if held != self._holder:
            raise Fenced


def _indexed() -> list[str]:
    """The types that an index is made of."""
    own = {CustomerDescribed.WIRE, TouchCorrected.WIRE}
    return sorted(one.wire for one in registry.all_types() if one.wire in own or texts_of(one.wire))


def texts_of(wire: str) -> tuple[str, ...]:
    """The fields of an event type in which somebody said something in words of their own."""
    entry = registry.find(wire)
    return tuple(one for one in personal_fields(entry.cls) if one not in NOT_TEXT) if entry else ()


def words_in(wire: str, data: dict[str, object]) -> set[str]:
    """The words of an opened event's texts."""
    return {word for field in texts_of(wire) for word in words(readable(data.get(field)))}


def readable(value: object) -> str:
    """An opened value; empty where it is missing, erased or not what its key sealed."""
    return value if isinstance(value, str) and value not in (ERASED, UNREADABLE) else ""


def forget(connection: Connection, event_ids: Collection[str]) -> int:
    """Take these events out of the index, in the caller's transaction; how many rows there were.

    For an erasure their keys must be gone before, and that committed: whoever indexes meanwhile then either
    is waited for, or finds no key. What is deleted lies in the files until `clean`.
    """
    connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
    return _remove(connection, event_ids)


def _remove(connection: Connection, event_ids: Collection[str]) -> int:
    if not event_ids:
        return 0
    return sum(
        connection.execute(delete(table).where(among(table.c.event_id, event_ids))).rowcount
        for table in _TABLES
    )


def clean(engine: Engine) -> None:
    """Rewrite what forgetting has left in the files, while everybody goes on reading and writing.

    A GIN index keeps a word for ever, even one that no row has any more: so it is made anew. Raises
    `Unavailable`.
    """
    with unavailable(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in _TABLES:
            # Without being told, PostgreSQL leaves a few dead rows in the indexes for later.
            connection.execute(text(f"VACUUM (INDEX_CLEANUP ON) {table.name}"))
            for left_over in ("_ccnew", "_ccold"):  # by one that was broken off
                connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {table.name}_tokens{left_over}"))
            connection.execute(text(f"REINDEX INDEX CONCURRENTLY {table.name}_tokens"))


def _correct(connection: Connection, said: TouchCorrected) -> None:
    """A touch is found at the time and on the channel where it really was."""
    moved = {"occurred_at": said.occurred_at, "channel": said.channel}
    told = {name: value for name, value in moved.items() if value is not None}
    if told and aside.is_id(said.touch_id):
        connection.execute(update(search_text).where(search_text.c.event_id == said.touch_id).values(**told))
