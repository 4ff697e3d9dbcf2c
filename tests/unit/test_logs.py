"""A library that says the same thing again and again is written down now and then, with how often."""

import io
import json
import logging

import pytest

from infra.logs import AGAIN_SECONDS, REMEMBERED, Seldom, configure_logging


class Watch:
    """Seconds that a test lets pass."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def written():
    """What stands in the log, as objects; a library speaks through `aiokafka`."""
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    configure_logging(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.basicConfig(handlers=before, force=True)


@pytest.fixture
def watch(written):
    """The clock by which repeats are judged."""
    (handler,) = logging.getLogger().handlers
    found = Watch()
    handler.filters[:] = [Seldom(found)]
    return found


def say(text: str, *words: object) -> None:
    logging.getLogger("aiokafka").error(text, *words)


def test_a_storm_is_one_line_in_half_a_minute_and_the_next_says_how_many_were_left_out(written, watch):
    for _ in range(478):
        say("Unable connect to node with id %s", 1)
    watch.now = AGAIN_SECONDS
    say("Unable connect to node with id %s", 1)
    assert [line.get("left_out", 0) for line in written()] == [0, 477]
    assert {line["message"] for line in written()} == {"Unable connect to node with id 1"}


def test_other_words_another_level_and_another_library_are_news(written, watch):
    say("Unable connect to node with id %s", 1)
    say("Unable connect to node with id %s", 2)
    logging.getLogger("aiokafka").warning("Unable connect to node with id 1")
    logging.getLogger("faust").error("Unable connect to node with id 1")
    assert len(written()) == 4


def test_whatever_comes_with_an_exception_is_written_each_time(written, watch):
    for _ in range(3):
        logging.getLogger("asyncio").error("Task failed", exc_info=ValueError("x"))
    assert len(written()) == 3


def test_memory_for_what_was_said_is_bounded(written, watch):
    for number in range(3 * REMEMBERED):
        say("%s", number)
    assert len(logging.getLogger().handlers[0].filters[0]._said) <= REMEMBERED


def test_a_sentence_that_cannot_be_made_harms_nobody(written, watch, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    say("%d of %d", "one")
    say("well")
    assert [line["message"] for line in written()] == ["well"]
