"""Trace context (W3C) from whoever asked, through the journal, to whoever reads the topics.

A request's `traceparent` is passed on whether or not anybody collects traces. Spans are opened only where
a tracer provider was installed (docs/operating.md says how); no exception's text and no value goes into one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer

HEADER = "traceparent"
LINKS = 32
"""A commit or a batch may hold a thousand requests' events; a span names so many of them."""

_FORM = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_NOBODY = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def valid(given: str | bytes | None) -> str | None:
    """The traceparent if it is one (version 00), else None: a sender may write anything there."""
    text = given.decode("latin-1") if isinstance(given, bytes) else given
    return text if text and _FORM.fullmatch(text) else None


def of_headers(headers: Mapping[str, bytes] | Iterable[tuple[str, bytes]] | None) -> str | None:
    """The traceparent among a Kafka message's headers."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    return next((valid(value) for name, value in pairs if name.lower() == HEADER), None)


def current() -> str | None:
    """The traceparent to hand on with what is done now; None outside a trace."""
    return _current.get()


def span(
    name: str,
    parent: str | None = None,
    *,
    links: Iterable[str | None] = (),
    kind: SpanKind = SpanKind.INTERNAL,
    **attributes: str | int,
) -> AbstractContextManager[None]:
    """A piece of work: below `parent`, else below the span that is open here, else a trace of its own.

    `links` are the traces that it works for together; they are only looked at where somebody collects.
    """
    provider = trace.get_tracer_provider()
    if isinstance(provider, _NOBODY):
        return _Carried(parent)
    return _opened(provider.get_tracer("touchstone"), name, parent, links, kind, attributes)


class _Carried:
    """Nobody collects: what came is handed on as it is. This is on the path of every request, so it is short."""

    __slots__ = ("_parent", "_token")

    def __init__(self, parent: str | None) -> None:
        self._parent = parent

    def __enter__(self) -> None:
        self._token = _current.set(self._parent or _current.get())

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


@contextmanager
def _opened(
    tracer: Tracer, name: str, parent: str | None, links: Iterable[str | None], kind: SpanKind,
    attributes: Mapping[str, str | int],
) -> Iterator[None]:  # fmt: skip
    above = trace.set_span_in_context(NonRecordingSpan(_read(parent))) if parent else None
    beside = [Link(_read(one)) for one in sorted({one for one in links if one})[:LINKS]]
    with tracer.start_as_current_span(
        name, above, kind, attributes, beside, record_exception=False, set_status_on_exception=False
    ) as opened:
        token = _current.set(_written(opened.get_span_context()))
        try:
            yield
        except BaseException as error:
            opened.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            _current.reset(token)


def describe(**attributes: str | int) -> None:
    """Say something more of the span that is open here."""
    trace.get_current_span().set_attributes(attributes)


def _read(traceparent: str) -> SpanContext:
    found = _FORM.fullmatch(traceparent)
    assert found is not None
    return SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16))
    )


def _written(context: SpanContext) -> str | None:
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
