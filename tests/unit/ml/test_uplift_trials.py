"""Trials out of a simulated company's events: who was drawn, what was known before, and who stayed."""

from datetime import datetime, timedelta

import msgspec
import numpy as np
import pytest

from events.campaign import CampaignAssigned
from events.codec import decode_inbound
from events.envelope import Envelope
from ml.features.catalogue import NAMES
from ml.histories import Histories
from ml.uplift.admission import admit
from ml.uplift.judging import judge
from ml.uplift.trial import UpliftRefused
from ml.uplift.trials import trials, waves
from services.simulator.spec import Spec
from services.simulator.telling import Told
from services.simulator.world import world
from tests.unit.simulator.living import BEGIN, live_through

SPEC = Spec(begin=BEGIN, customers=2_000, months=9, seed=3)
END = BEGIN + timedelta(days=275)


def envelope(number: int, told: Told) -> tuple[str, Envelope]:
    """An item as it would be recorded, under whom it is of."""
    item = msgspec.json.decode(told.body)
    at = datetime.fromisoformat(item["occurred_at"])
    known = datetime.fromisoformat(item.get("known_at", item["occurred_at"]))
    event = decode_inbound(item["type"], msgspec.json.encode(item["data"]))
    return f"T{told.customer:07d}", Envelope(
        event=event, event_id=f"e{number}", position=number, occurred_at=at, known_at=known, recorded_at=known,
        source=item["source"], source_id=item["source_id"], origin="import",
    )  # fmt: skip


@pytest.fixture(scope="module")
def lived():
    return live_through(SPEC)


@pytest.fixture(scope="module")
def histories(lived):
    told: dict[str, list[Envelope]] = {}
    for number, item in enumerate(lived.told, 1):
        account, one = envelope(number, item)
        told.setdefault(account, []).append(one)
    return Histories.of(told)


@pytest.fixture(scope="module")
def found(histories):
    return trials(histories, END)


def test_every_assignment_of_a_campaign_that_is_over_is_a_row(lived, histories, found):
    over = {wave.campaign for wave in waves(histories, END)}
    assert over == {one.campaign for one in lived.assignments if one.until <= END}
    for (purpose, treatment), trial in found.items():
        drawn = [one for one in lived.assignments if (one.purpose, one.treatment) == (purpose, treatment)]
        drawn = [one for one in drawn if one.campaign in over]
        assert len(trial.treated) == len(drawn) > 100
        assert trial.treated.sum() == sum(not one.held_out for one in drawn)
        assert np.isclose(trial.assignment.propensity.sum(), sum(one.propensity for one in drawn))


def test_who_stayed_is_what_the_world_says_happened(lived, found):
    """Of those assigned and of those held out, as many stay as the truth has it."""
    for (purpose, treatment), trial in found.items():
        drawn = [one for one in lived.assignments if (one.purpose, one.treatment) == (purpose, treatment)]
        for held_out in (False, True):
            happened = np.mean([one.happened for one in drawn if one.held_out == held_out])
            stayed = 1 - happened if purpose == "retention" else happened
            assert trial.outcome[trial.treated != held_out].mean() == pytest.approx(stayed, abs=0.02)


def test_what_was_known_before_the_draw_does_not_tell_the_arms_apart(found):
    retention = [trial for (purpose, _), trial in found.items() if purpose == "retention"]
    assert retention
    for trial in retention:
        assert admit(trial).balance.omnibus_p > 0.001
        assert set(trial.columns) <= set(NAMES)


def test_a_campaign_that_is_not_over_is_no_trial_yet(histories):
    assert waves(histories, BEGIN + timedelta(days=30)) == []
    assert trials(histories, BEGIN + timedelta(days=30)) == {}


def test_a_world_without_draws_has_no_trial():
    few = [one for one in world(Spec(begin=BEGIN, customers=5, months=1, seed=1)) if isinstance(one, Told)]
    told: dict[str, list[Envelope]] = {}
    for number, one in enumerate(few, 1):
        account, e = envelope(number, one)
        told.setdefault(account, []).append(e)
    assert trials(Histories.of(told), END) == {}


def test_where_nothing_tells_the_drawn_apart_it_is_still_said_that_they_are_too_few():
    began = BEGIN + timedelta(days=100)
    told = {
        f"T{n}": [Envelope(
            event=CampaignAssigned(
                campaign="c", purpose="win_back", treatment="gift", held_out=n % 2 == 0, propensity=0.5,
                until=began + timedelta(days=30),
            ), event_id=f"a{n}", position=n + 1, occurred_at=began, known_at=began, recorded_at=began, source="s",
            source_id=f"{n}", origin="import",
        )]
        for n in range(30)
    }  # fmt: skip
    (trial,) = trials(Histories.of(told), END).values()
    with pytest.raises(UpliftRefused) as refused:
        judge(trial, 0)
    assert refused.value.code == "uplift.too_few"
