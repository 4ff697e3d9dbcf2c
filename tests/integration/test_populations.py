"""Histories for training and scoring, out of a real journal: whose they are, and what was known when."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy.event import listen, remove

from infra import populations
from infra.standing import Standings
from ml.cut import Cut
from ml.features.catalogue import ask
from models.tables.journal import journal
from services import prediction
from services.export.writing import key_of
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, purchase, send

MARCH, JUNE, JULY = (datetime(2025, month, 1, tzinfo=UTC) for month in (3, 6, 7))
MOMENT = timedelta(microseconds=1)

train = partial(prediction.train, report=False)


def known(one, at):
    """A sender's item that says when the company knew it."""
    return {**one, "known_at": at.isoformat()}


def bought(source_id, *identifiers, days, amount="10"):
    """A purchase so many days before March."""
    return purchase(source_id, *identifiers, at=MARCH - timedelta(days=days), amount=amount)


def seen_together(source_id, *identifiers, at):
    """A touch that shows two to be one."""
    return item(source_id, *identifiers, type="touch.recorded", at=at, origin="import", channel="store")


@pytest.fixture
def merged(workspace):
    """Two customers of before March whom a visit in June showed to be one."""
    older, younger = send(
        workspace, bought("1", phone(), days=40, amount="30"), bought("2", email(), days=20, amount="50")
    )
    send(workspace, seen_together("3", phone(), email(), at=JUNE))
    send(workspace, purchase("4", email(), at=JULY, amount="7"))
    return older.customer, younger.customer


@pytest.fixture
def statements(workspace):
    """How many statements a piece of work sends to the database."""

    def count(work):
        sent = []

        def note(connection, cursor, statement, *more):
            sent.append(statement)

        listen(workspace.engine, "before_cursor_execute", note)
        try:
            work()
        finally:
            remove(workspace.engine, "before_cursor_execute", note)
        return len(sent)

    return count


def standing(workspace, customers):
    """Who they were in March, as known then."""
    with workspace.engine.connect() as connection:
        standings = Standings(connection, workspace.rules, workspace.settings.zone)
        return [one.customer for chunk in standings.at(MARCH, customers) for one in chunk]


class Told:
    """What is known of whom, out of an export of everything until now."""

    def __init__(self, workspace, issuer=None):
        self.histories = prediction.histories(workspace, issuer)
        self.key = {key_of(workspace.matcher, one): one for one in everyone(workspace)}

    @property
    def customers(self):
        return {self.key[one] for part in self.histories.read() for one in part["customer"]}

    def features(self, customer, at):
        (key,) = (key for key, one in self.key.items() if one == customer)
        return next(iter(ask(Cut(self.histories.only([key]), at)).drop("customer").to_dicts()), None)

    def spent(self, customer, at):
        return self.features(customer, at)["spent"]

    @property
    def absorbed(self):
        return {self.key[one]: at for one, at in self.histories.absorbed.items()}


def everyone(workspace):
    with workspace.engine.connect() as connection:
        return [one for one, _ in populations.customers(connection)]


def test_two_who_turned_out_to_be_one_stand_apart_until_that_was_known(workspace, merged):
    older, younger = merged
    told = Told(workspace)
    assert told.customers == {older, younger}
    assert [(told.spent(one, MARCH), told.spent(one, JUNE)) for one in merged] == [(30, 30), (50, 50)]
    assert told.spent(older, JUNE + MOMENT) == 80
    assert told.spent(older, JULY + MOMENT) == 87
    assert told.absorbed == {younger: JUNE}


def test_features_after_a_merge_are_those_of_before_it(workspace):
    """The same cut on the same past, asked before the merge was recorded and after it."""
    both = [one.customer for one in send(
        workspace, bought("1", phone(), days=40, amount="30"), bought("2", email(), days=20, amount="50")
    )]  # fmt: skip
    before = Told(workspace)
    send(workspace, seen_together("3", phone(), email(), at=JUNE))
    after = Told(workspace)
    assert after.absorbed
    assert [after.features(one, MARCH) for one in both] == [before.features(one, MARCH) for one in both]


def test_who_was_absorbed_twice_over_is_known_to_each_from_then_on(workspace):
    """A chain whose first recorded link is the last to be known."""
    first, second, third = (one.customer for one in send(
        workspace, bought("1", phone(), days=40, amount="1"), bought("2", email(), days=30, amount="10"),
        bought("3", account(), days=20, amount="100"),
    ))  # fmt: skip
    send(workspace, seen_together("4", email(), account(), at=JULY))
    send(workspace, seen_together("5", phone(), email(), at=JUNE))
    told, chain = Told(workspace), (first, second, third)
    assert told.absorbed == {second: JUNE, third: JULY}
    assert [told.spent(one, MARCH) for one in chain] == [1, 10, 100]
    assert [told.spent(one, JUNE + MOMENT) for one in chain] == [11, 11, 100]
    assert [told.spent(one, JULY + MOMENT) for one in chain] == [111, 111, 111]


def test_a_retraction_counts_from_when_it_was_known_and_is_no_fact_itself(workspace):
    send(workspace, bought("1", phone(), days=40))
    (touch,) = send(
        workspace, known(seen_together("2", phone(), at=MARCH - timedelta(days=9)), MARCH - MOMENT)
    )
    retraction = item(
        "3", type="touch.retracted", at=JUNE, origin="import", touch_id=touch.event_id, why="test"
    )
    send(workspace, known(retraction, JUNE))
    told = Told(workspace)
    contacts = [
        told.features(touch.customer, at)["days_since_contact"] is not None
        for at in (MARCH, JUNE, JUNE + MOMENT)
    ]
    assert contacts == [True, True, False]
    (facts,) = told.histories.read()
    assert set(facts["type"]) == {"purchase.recorded", "touch.recorded"}


def test_an_issuers_population_are_those_its_identifiers_name_and_whoever_they_turned_out_to_be(workspace):
    named, other, _ = send(
        workspace, bought("1", account("1", issuer="shop"), days=9), bought("2", phone(), days=8),
        bought("3", account("1", issuer="bank"), days=7),
    )  # fmt: skip
    assert Told(workspace, "shop").customers == {named.customer}
    send(workspace, seen_together("4", account("1", issuer="shop"), phone(), at=JUNE))
    assert Told(workspace, "shop").customers == {named.customer, other.customer}
    assert populations.customers_of(workspace.engine, "shop") == {named.customer}


def test_many_merged_customers_are_placed_with_one_query(workspace, merged, statements):
    """How they stood takes as many statements for three merged customers as for one."""
    fold(workspace)
    one = statements(lambda: standing(workspace, merged[:1]))
    for number in range(2):
        who = phone(f"+1 415 555 26{number:02d}"), email(f"c{number}@example.com")
        send(workspace, *(bought(f"{number}-{held['kind']}", held, days=9) for held in who))
        send(workspace, seen_together(f"{number}-both", *who, at=JUNE))
    fold(workspace)
    absorbed = Told(workspace).absorbed
    living = [one for one in everyone(workspace) if one not in absorbed]
    assert len(standing(workspace, living)) == 6
    assert statements(lambda: standing(workspace, living)) == one


def regulars(count):
    """Customers who buy every three weeks through 2024, until they leave: one every few days."""
    opening = datetime(2024, 1, 1, tzinfo=UTC)
    for number in range(count):
        for day in range(number % 20, min(365, number * 540 // count + 20), 21):
            at = opening + timedelta(days=day)
            yield purchase(f"{number}-{day}", account(str(number)), at=at, amount=str(5 + number % 7))


def test_as_of_the_past_those_are_scored_who_were_customers_then(workspace):
    """Who was absorbed since is ranked as what it was, and leaves no second score with the survivor."""
    send(workspace, *regulars(120))
    older, younger = send(workspace, bought("phone", phone(), days=80), bought("mail", email(), days=70))
    artifact = train(workspace, until=datetime(2025, 1, 1, tzinfo=UTC), horizon_days=60).artifact
    before = prediction.score_everyone(workspace, artifact, MARCH).scores
    send(workspace, seen_together("both", phone(), email(), at=JUNE))
    again = prediction.score_everyone(workspace, artifact, MARCH + MOMENT)
    assert {one.customer for one in again.scores} == {one.customer for one in before}
    assert len(before) == 122
    assert again.new == 121
    scored = workspace.journal.read(
        journal.c.type == "prediction.churn_scored", journal.c.source.endswith(again.run)
    )
    assert older.customer in {one.customer for one in scored}
    assert len({one.customer for one in scored}) == 121
    later = prediction.score_everyone(workspace, artifact, JULY)
    assert {one.customer for one in before} - {one.customer for one in later.scores} == {younger.customer}
    assert (
        train(workspace, until=datetime(2025, 1, 1, tzinfo=UTC), horizon_days=60).artifact.card
        == artifact.card
    )
