"""Runs take turns, each with its own figure."""

from bench.timing import interleaved, short


def test_contestants_take_turns_and_keep_their_own_values():
    turns = []

    def contestant(name, values):
        told = iter(values)

        def run():
            turns.append(name)
            return next(told)

        return run

    said = []
    ours, other = contestant("ours", [3.0, 1.0, 2.0]), contestant("other", [30.0, 10.0, 20.0])
    found = interleaved(3, {"ours": ours, "other": other}, "events/s", said.append)
    assert turns == ["ours", "other"] * 3
    assert (found["ours"].values, found["ours"].median) == ((3.0, 1.0, 2.0), 2.0)
    assert (found["other"].unit, found["other"].median) == ("events/s", 20.0)
    assert said[0] == "run 1 of 3: ours 3, other 30 events/s"


def test_figures_are_told_with_the_digits_that_matter():
    assert [short(one) for one in (123_456.7, 100.4, 12.34, 0.01234)] == ["123,457", "100", "12.3", "0.0123"]
