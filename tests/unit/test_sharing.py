"""How the tests are dealt out to several processes."""

from types import SimpleNamespace

import pytest

from tests.support.sharing import BySystem

FAULTS = ["tests/faults/system/test_a.py::x", "tests/faults/system/test_b.py::x", "tests/faults/test_c.py::x"]
OTHERS = [f"tests/integration/test_{one}.py::{test}" for one in "abcdef" for test in ("x", "y", "z")]


class Process:
    """One that notes what it is given."""

    def __init__(self, name):
        self.gateway, self.given = SimpleNamespace(id=name), []
        self.workerinput, self.shutting_down = {}, False

    def send_runtest_some(self, numbers):
        self.given += numbers

    def shutdown(self):
        self.shutting_down = True


@pytest.fixture
def dealt(pytestconfig, monkeypatch):
    """Deals everything out to so many processes, which all are equally quick; what each ran, in order."""
    monkeypatch.setattr(pytestconfig.option, "loadscopereorder", False)

    def deal(count, tests):
        monkeypatch.setattr(pytestconfig.option, "tx", ["popen"] * count)
        found = BySystem(pytestconfig)
        processes = [Process(str(number)) for number in range(count)]
        for one in processes:
            found.add_node(one)
            found.add_node_collection(one, tests)
        found.schedule()
        done = dict.fromkeys(processes, 0)
        while any(done[one] < len(one.given) for one in processes):
            for one in processes:
                if done[one] < len(one.given):
                    done[one] += 1
                    found.mark_test_complete(one, one.given[done[one] - 1])
        return [[tests[number] for number in one.given] for one in processes]

    return deal


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_test_is_run_once_and_a_file_stays_together(dealt, count):
    ran = dealt(count, FAULTS + OTHERS)
    assert sorted(one for each in ran for one in each) == sorted(FAULTS + OTHERS)
    for tests in ran:
        files = [one.partition("::")[0] for one in tests]
        assert len(dict.fromkeys(files)) == sum(a != b for a, b in zip(files, ["", *files], strict=False))


def test_tests_that_wait_go_to_one_process_while_the_others_have_work(dealt):
    ran = dealt(3, FAULTS + OTHERS)
    assert [any(one in FAULTS for one in tests) for tests in ran].count(True) == 1
    assert all(len(tests) > 3 for tests in ran)


def test_where_nothing_else_is_left_they_are_shared_out(dealt):
    more = [f"tests/faults/test_{one}.py::x" for one in "defghi"]
    assert all(dealt(3, [*FAULTS, *more]))
