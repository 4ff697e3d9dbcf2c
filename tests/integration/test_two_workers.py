"""Two workers at one customer: whatever the order of their statements, each event is in each view once.

FAULTS=long tries more orders. A failure tells the seed of its order.
"""

from contextlib import contextmanager
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import select

from infra.projector import Projector
from models.projections.catalogue import projections
from models.tables.readers import ledger
from tests.support.clock import MONDAY
from tests.support.faults.running import LONG
from tests.support.folding import fold, rows
from tests.support.lanes import Lanes
from tests.support.sending import email, item, phone, purchase, send
from tests.support.turns import Turns
from tests.support.viewing import actual, expected, recorded

ORDERS = 200 if LONG else 10
HOUR = timedelta(hours=1)
A, B = "a", "b"


class Desk:
    """Two workers with a lane each: A has who is known by mail and is the older, B who is known by phone."""

    def __init__(self, workspace, number):
        self.workspace, self.began_at = workspace, workspace.journal.head()
        self.phone, self.mail = phone(f"+1415{2_000_000 + number}"), email(f"p{number}@example.com")
        self.number, self.sent = number, 0
        self.lanes = Lanes(workspace, f"topic {number}", 2)
        self.workers = {}
        for lane, name in enumerate((A, B)):
            self.workers[name] = Projector(workspace.engine, projections(workspace.rules), f"{name}{number}")
            self.workers[name].claim(lane, f"topic {number}")

    def touch(self, *names, ago=0):
        """A call, some hours ago."""
        self.sent += 1
        made = item(f"{self.number}-{self.sent}", *names, at=MONDAY - ago * HOUR, channel="voice")
        (answer,) = send(self.workspace, made)
        return answer

    def bought(self, *names, ago=0):
        """A purchase, some hours ago."""
        self.sent += 1
        send(
            self.workspace, purchase(f"{self.number}-{self.sent}", *names, at=MONDAY - ago * HOUR, amount="3")
        )

    def both_known(self):
        """Two customers, each on a lane of their own, with something of theirs out of order."""
        for ago, name in ((9, self.mail), (8, self.phone), (5, self.mail), (6, self.mail), (4, self.phone)):
            self.touch(name, ago=ago)
            self.bought(name, ago=ago - 3)

    def joined(self):
        """They turn out to be one, and go on under both names."""
        self.touch(self.phone, self.mail, ago=1)
        self.bought(self.phone)
        wrong = self.touch(self.mail, ago=7)
        self.sent += 1
        fix = item(
            f"{self.number}-{self.sent}", type="touch.retracted", touch_id=wrong.event_id, why="a test"
        )
        send(self.workspace, fix)

    def follow(self, name, begin, end, size):
        """What a worker does: fold its lane from one offset to another, so many messages at a time."""
        lane = (A, B).index(name)

        def act():
            for at in range(begin, end, size):
                self.workers[name].fold([self.lanes.batch(lane, at, min(at + size, end))])

        return act

    def ends(self):
        """Where the lanes end."""
        return {name: len(lane) for name, lane in zip((A, B), self.lanes.lanes, strict=True)}

    def check(self):
        """Rows are what a plain fold of the journal gives, and what anybody can add up."""
        events = recorded(self.workspace, self.began_at)
        assert actual(self.workspace, events) == expected(self.workspace, events)
        (customer,) = {row[0] for row in actual(self.workspace, events)["customer_360"].values()}
        row = rows(self.workspace, "customer_360")[customer]
        bought = row.value["USD"]
        assert (row.contacts_ever, bought.purchases, bought.amount) == (6, 6, 18)
        with self.workspace.engine.connect() as connection:
            entered = connection.execute(select(ledger.c.position).where(ledger.c.position > self.began_at))
            assert sorted(entered.scalars()) == [one.position for one in events]


@contextmanager
def order(seed):
    """Turns in the order of a seed; a failure says which."""
    try:
        yield Random(seed)
    except BaseException as error:
        error.add_note(f"the order of seed {seed}")
        raise


def drawn(turns, chance, between=lambda: None, at=None):
    """Everybody takes turns as chance has it; before one of them, something else happens."""
    step = 0
    while ready := turns.ready():
        if step == at:
            between()
        turns.step(chance.choice(ready))
        step += 1
    if at is not None and step <= at:
        between()


def test_two_workers_at_a_merged_customer_fold_each_event_once(workspace):
    """The merge is recorded while they fold; then both hear of it, each on its own lane."""
    waited = 0
    for seed in range(ORDERS):
        with order(seed) as chance:
            desk = Desk(workspace, seed)
            desk.both_known()
            desk.lanes.catch_up()
            ends = desk.ends()
            with Turns(workspace.engine) as turns:
                for name in (A, B):
                    turns.start(name, desk.follow(name, 0, ends[name], chance.randint(1, 4)))
                drawn(turns, chance, desk.joined, at=chance.randint(0, 40))
                desk.lanes.catch_up()
                for name, end in desk.ends().items():
                    again = chance.randint(0, ends[name])  # some of it is handed out twice
                    turns.start(name, desk.follow(name, again, end, chance.randint(1, 4)))
                drawn(turns, chance)
                waited += turns.blocked
            desk.check()
    assert waited


def test_a_customer_new_to_two_workers_at_the_same_moment_is_made_once(workspace):
    """Nothing of them is folded yet; one waits for the other's row, or meets it."""
    waited = 0
    for seed in range(ORDERS):
        with order(seed) as chance:
            desk = Desk(workspace, seed)
            desk.both_known()
            desk.joined()
            desk.lanes.catch_up()
            with Turns(workspace.engine) as turns:
                for name, end in desk.ends().items():
                    turns.start(name, desk.follow(name, 0, end, chance.randint(1, 9)))
                drawn(turns, chance)
                waited += turns.blocked
            desk.check()
    assert waited


@pytest.mark.parametrize("late, first", [(A, B), (B, A)], ids=["of who survives", "of who is absorbed"])
def test_a_worker_that_looked_before_a_merge_looks_again_after_it(workspace, late, first):
    """It knew whose its events are; then the two became one, and the other worker folded that."""
    send(workspace, item("somebody else's"))
    fold(workspace)  # no fold is the workspace's first, for which all others wait
    desk = Desk(workspace, 1)
    desk.both_known()
    desk.lanes.catch_up()
    with Turns(workspace.engine) as turns:
        turns.start(late, desk.follow(late, 0, 4, 4))
        while not turns.next(late).startswith("INSERT INTO fold_head"):
            turns.step(late)
        desk.joined()
        desk.lanes.catch_up()
        ends = desk.ends()
        turns.start(first, desk.follow(first, 0, ends[first], 100))
        turns.finish(first)
        turns.finish(late)
        assert ((late, "ROLLBACK") in turns.steps) == (late == B)  # else its events are whose they were
        turns.start(late, desk.follow(late, 4, ends[late], 100))
        turns.finish(late)
    desk.check()


def test_two_new_customers_in_one_order_and_the_other_wait_for_each_other_and_not_for_ever(workspace):
    """Both workers meet both customers; the rows are locked in one order, whatever a batch begins with."""
    waited = 0
    for seed in range(ORDERS):
        with order(seed) as chance:
            desk = Desk(workspace, seed)
            desk.both_known()
            desk.lanes.catch_up()
            everything = [one for lane in desk.lanes.lanes for one in lane]
            with Turns(workspace.engine) as turns:
                for lane, name in enumerate((A, B)):
                    desk.lanes.lanes[lane] = chance.sample(everything, len(everything))
                    turns.start(name, desk.follow(name, 0, len(everything), len(everything)))
                drawn(turns, chance)
                waited += turns.blocked
            events = recorded(workspace, desk.began_at)
            assert actual(workspace, events) == expected(workspace, events)
    assert waited
