"""A small workspace made large: the copies are what real histories would be."""

from sqlalchemy import func, select, text

from bench.filling import fold_all, multiply
from bench.people import Senders
from models.tables.identity import customer, identifier
from models.tables.journal import journal
from tests.support.viewing import actual, expected, recorded

COPIES = 3


def test_the_views_of_copies_are_what_folding_their_journal_gives(workspace):
    workspace.door("bench").receive(list(Senders(1).histories(6, 5, 0.2)))
    fold_all(workspace)
    before = recorded(workspace)
    multiply(workspace.engine, COPIES)
    everything = recorded(workspace)
    assert [one.position for one in everything] == list(range(1, COPIES * len(before) + 1))
    assert len({one.event_id for one in everything}) == len(everything)
    assert len({one.customer for one in everything}) == COPIES * len({one.customer for one in before})
    assert actual(workspace, everything) == expected(workspace, everything)


def test_copied_customers_are_found_by_identifiers_of_their_own(workspace):
    workspace.door("bench").receive(list(Senders(1).histories(6, 2, 0.0)))
    with workspace.engine.connect() as connection:
        known = connection.execute(select(func.count()).select_from(identifier)).scalar_one()
    multiply(workspace.engine, COPIES)
    with workspace.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(identifier)).scalar_one() == COPIES * known
        lost = text(
            "SELECT count(*) FROM identifier i WHERE NOT EXISTS (SELECT FROM customer c WHERE c.id = i.customer)"
        )
        assert connection.execute(lost).scalar_one() == 0
        named = set(connection.execute(select(journal.c.customer).distinct()).scalars())
        assert named == set(connection.execute(select(customer.c.id)).scalars())
    assert workspace.journal.head() == len(recorded(workspace))


def test_what_comes_next_goes_behind_the_copies(workspace):
    workspace.door("bench").receive(list(Senders(1).histories(3, 2, 0.0)))
    multiply(workspace.engine, COPIES)
    head = workspace.journal.head()
    (answer,) = workspace.door("bench").receive([Senders(2, "later").touch(77)])
    assert answer.verdict == "accepted"
    assert recorded(workspace, head)[0].event_id == answer.event_id
