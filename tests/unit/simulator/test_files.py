"""A world written to files: the same bytes each time, whole or stopped."""

import gzip
import threading

import msgspec
import pytest

from services.simulator.secret import read_secrets
from services.simulator.simulating import simulate
from services.simulator.spec import BadSpec, Spec
from tests.unit.simulator.living import BEGIN, live_through

SPEC = Spec(begin=BEGIN, customers=40, months=7, seed=9)


def test_a_file_has_every_item_of_the_world_one_a_line(tmp_path):
    report = simulate(SPEC, tmp_path / "world.ndjson", truth=tmp_path / "truth.ndjson")
    lived = live_through(SPEC)
    assert (tmp_path / "world.ndjson").read_bytes().splitlines() == [one.body for one in lived.told]
    assert list(read_secrets(tmp_path / "truth.ndjson")) == [*lived.assignments, *lived.fates]
    assert (report.items, report.secrets, report.received) == (
        len(lived.told),
        len(list(lived.assignments)) + 40,
        0,
    )
    assert not report.stopped


def test_packed_files_are_the_same_bytes_each_time_whatever_they_are_called(tmp_path):
    simulate(SPEC, tmp_path / "one.ndjson.gz", truth=tmp_path / "truth-one.ndjson.gz")
    simulate(SPEC, tmp_path / "two.ndjson.gz", truth=tmp_path / "truth-two.ndjson.gz")
    simulate(SPEC, tmp_path / "plain.ndjson")
    assert (tmp_path / "one.ndjson.gz").read_bytes() == (tmp_path / "two.ndjson.gz").read_bytes()
    assert (tmp_path / "truth-one.ndjson.gz").read_bytes() == (tmp_path / "truth-two.ndjson.gz").read_bytes()
    assert (
        gzip.decompress((tmp_path / "one.ndjson.gz").read_bytes()) == (tmp_path / "plain.ndjson").read_bytes()
    )
    assert list(read_secrets(tmp_path / "truth-one.ndjson.gz"))


def test_a_world_that_is_stopped_leaves_whole_lines(tmp_path):
    stop, shares = threading.Event(), []

    def progress(report, share):
        shares.append(share)
        stop.set()

    spec = Spec(begin=BEGIN, customers=400, months=12, seed=9)
    report = simulate(spec, tmp_path / "world.ndjson", progress=progress, stop=stop)
    lines = (tmp_path / "world.ndjson").read_bytes().splitlines()
    assert report.stopped
    assert 0 < shares[0] < 1
    assert len(lines) == report.items == 10_000
    assert msgspec.json.decode(lines[-1])["type"]


def test_the_truth_needs_a_file_of_its_own(tmp_path):
    with pytest.raises(BadSpec, match="truth"):
        simulate(SPEC, tmp_path / "one", truth=tmp_path / "one")
    assert not (tmp_path / "one").exists()


def test_a_live_world_is_not_written_to_a_file(tmp_path):
    with pytest.raises(BadSpec, match="gateway"):
        simulate(Spec(begin=BEGIN, origin="live"), tmp_path / "one")


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        simulate(SPEC, tmp_path / "nowhere" / "world.ndjson")
