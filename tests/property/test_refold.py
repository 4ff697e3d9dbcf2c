"""A view is a pure fold: arrival order, repeats and being asked in between leave no trace in it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.opportunity import OpportunityCaptured
from models.domain.history import effective
from models.domain.rules import Rules
from models.projections.catalogue import projections
from models.projections.projection import play
from tests.support.histories import life_stories
from tests.support.performing import decoded
from tests.support.spec import happened

CATALOGUE = projections(Rules())
OWNER = "customer-1"

each_projection = pytest.mark.parametrize("projection", CATALOGUE, ids=lambda one: one.name)


def told(projection, history):
    return {key: decoded(row) for key, row in play(projection, history, OWNER).items()}


@each_projection
@given(history=life_stories(customer=OWNER), data=st.data())
def test_the_order_of_arrival_does_not_matter(projection, history, data):
    shuffled = data.draw(st.permutations(history))
    assert told(projection, effective(shuffled)) == told(projection, effective(history))


@each_projection
@given(history=life_stories(customer=OWNER), data=st.data())
def test_as_of_a_moment_is_the_same_fold_stopped_earlier(projection, history, data):
    at = data.draw(st.sampled_from(history)).occurred_at
    earlier = [one for one in history if one.occurred_at <= at]
    assert told(projection, effective(history, as_of=at)) == told(projection, earlier)


@each_projection
@given(history=life_stories(customer=OWNER), data=st.data())
def test_a_row_may_be_stored_and_read_again_between_any_two_events(projection, history, data):
    rows = {}
    for one in history:
        if projection.wants(one):
            key = projection.key(one, OWNER)
            row = projection.apply(rows.get(key), one, OWNER)
            rows.pop(key, None)
            if row is not None:
                rows[key] = decoded(row) if data.draw(st.booleans()) else row
    assert {key: decoded(row) for key, row in rows.items()} == told(projection, history)


@each_projection
@given(history=life_stories(customer=OWNER), days=st.integers(0, 500))
def test_being_asked_for_a_moment_changes_nothing_about_a_later_one(projection, history, days):
    at = history[-1].occurred_at + timedelta(days=days)
    for row in play(projection, history, OWNER).values():
        between = projection.present(row, history[-1].occurred_at + timedelta(days=days / 2))
        assert projection.present(between, at) == projection.present(row, at)


@each_projection
def test_what_belongs_to_no_customer_makes_none(projection):
    captured = OpportunityCaptured(opportunity_id="o", subject="loan")
    nobodys = happened(captured, stream="opportunity-o", revision=1)
    assert bool(play(projection, [nobodys], nobodys.stream)) == (projection.name == "pipeline")
