"""Logs as JSON lines on stderr: ours, and those of every library. No payload and no personal value is in them.

An exception is told by its type and its frames, never by its text: that may repeat what a customer wrote,
or a row of the database.
"""

import copy
import json
import logging
import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import structlog
from structlog.contextvars import get_contextvars

from infra.ids import new_id

FRAMES, CHAIN = 30, 8
AGAIN_SECONDS = 30.0
"""So long a library that repeats itself is not listened to."""
REMEMBERED = 1_000
"""Sentences of libraries, the memory for them; whoever says so many different ones begins anew."""
ROOT = Path(__file__).parents[1]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_PLAIN = (str, UUID, datetime, Path)
log = structlog.get_logger()

Fields = MutableMapping[str, Any]


def configure_logging(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """One JSON object a line, from structlog, from standard logging, and for whatever nobody caught.

    A person at a terminal gets words instead. Of libraries only warnings and worse are told.
    """
    stream = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
    ]
    written: list[structlog.typing.Processor] = [
        structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(default=_plain),
    ]  # fmt: skip
    if stream.isatty():
        written = [_as_json_would, structlog.dev.ConsoleRenderer(colors=False, repr_native_str=False)]
    structlog.configure(
        processors=[*shared, *written],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(Seldom())
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _with_left_out, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, None)
    sys.unraisablehook = lambda told: _uncaught(told.exc_type, told.exc_value, None)
    warnings.showwarning = _warned


def described(error: BaseException) -> dict[str, Any]:
    """An exception as fields of a log line: `error`, its types from the outermost to the first, and their frames."""
    return {"error": [_told(one) for one in _chain(error)]}


def request_id(given: str = "") -> str:
    """The id that a request brought, if it may stand in logs and answers; else a fresh one."""
    return given if _REQUEST_ID.fullmatch(given) else new_id()


def current_request() -> str:
    """The id of the request that is being answered here; "" outside of one."""
    return str(get_contextvars().get("request_id", ""))


def _told(error: BaseException) -> dict[str, Any]:
    frames = [
        f"{_place(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    state = getattr(error, "sqlstate", None)
    more = {"sqlstate": state} if isinstance(state, str) else {}
    return {"kind": type(error).__name__, **more, "frames": frames[-FRAMES:]}


def _chain(error: BaseException) -> list[BaseException]:
    """The error, those it groups, and what each came from: the outermost first, none twice."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < CHAIN:
        one = waiting.pop(0)
        if any(one is other for other in found):
            continue
        found.append(one)
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        before = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        waiting += [before] if before else []
    return found


def _place(file: str) -> str:
    """A file as one says it: from our own root, or from where packages lie."""
    _, _, package = file.rpartition("site-packages/")
    path = Path(package)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else package


def _without_values(_: Any, __: str, fields: Fields) -> Fields:
    """Exceptions among the fields lose their text."""
    error = fields.pop("exc_info", None)
    fields.pop("stack_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    for name, value in fields.items():
        if isinstance(value, BaseException):
            fields[name] = type(value).__name__
    if isinstance(error, BaseException):
        fields.update(described(error))
    return fields


def _plain(value: Any) -> str:
    """What JSON does not know; a stranger's repr might tell anything."""
    return str(value) if isinstance(value, _PLAIN) else type(value).__name__


def _as_json_would(_: Any, __: str, fields: Fields) -> Fields:
    told: Fields = json.loads(json.dumps(fields, default=_plain))
    return told


class Seldom(logging.Filter):
    """Lets a library say the same sentence once in `AGAIN_SECONDS`; the next then has a count, `left_out`.

    A client that finds its broker away says so many times a second. What comes with an exception always passes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._said = clock, dict[tuple[str, int, str], tuple[float, int]]()

    def filter(self, record: logging.LogRecord) -> bool:
        """May this record be written?"""
        if record.exc_info:
            return True
        try:
            sentence = record.name, record.levelno, record.getMessage()
        except Exception:  # a sentence that can't be made is the handler's to complain of
            return True
        now = self._clock()
        at, left_out = self._said.get(sentence, (now - AGAIN_SECONDS, 0))
        if now - at < AGAIN_SECONDS:
            self._said[sentence] = at, left_out + 1
            return False
        if len(self._said) >= REMEMBERED:
            self._said.clear()
        self._said[sentence] = now, 0
        record.left_out = left_out
        return True


def _with_left_out(_: Any, __: str, fields: Fields) -> Fields:
    """How often a library said this meanwhile, if it did."""
    left_out = getattr(fields["_record"], "left_out", 0)
    return {**fields, "left_out": left_out} if left_out else fields


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """For the log records of libraries: whatever they say of an exception, its own words are taken out."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON line."""
        harmless = copy.copy(record)
        errors = list(_errors(record))
        harmless.args = _without_errors(record.args)
        text = harmless.getMessage()
        if record.exc_info:
            text = text.partition("\n")[0]  # asyncio and others repeat the exception below
        for said in sorted({said for error in errors for said in (repr(error), str(error))}, key=len)[::-1]:
            text = text.replace(said, "***") if said else text
        harmless.msg, harmless.args = text, ()
        return super().format(harmless)


def _errors(record: logging.LogRecord) -> Iterator[BaseException]:
    named = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    for one in (*named, record.exc_info[1] if record.exc_info else None):
        if isinstance(one, BaseException):
            yield from _chain(one)


def _without_errors(args: Any) -> Any:
    def plain(one: object) -> object:
        return type(one).__name__ if isinstance(one, BaseException) else one

    if isinstance(args, Mapping):
        return {name: plain(one) for name, one in args.items()}
    return tuple(plain(one) for one in args or ())


def _uncaught(kind: type[BaseException], error: BaseException | None, _: object) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    log.critical("uncaught", **(described(error) if error else {"error": [{"kind": kind.__name__}]}))


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    file: TextIO | None = None, line: str | None = None,
) -> None:  # fmt: skip
    log.warning("python warning", kind=category.__name__, place=f"{_place(filename)}:{lineno}")
