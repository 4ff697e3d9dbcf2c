"""Whose touch is it: linking, merging, keeping apart, and what no longer says who somebody is."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import IdentifierRef
from events.identity import CustomersMerged, IdentifierBlocked, IdentifierLinked, MergeProposed
from models.domain.identifier import strongest_first
from models.domain.identity import LIMIT, SHARED_BY, VETO_KINDS, Register
from models.domain.ownership import edges
from tests.support.spec import happened


def ref(kind: str, value: str = "1", issuer: str = "") -> IdentifierRef:
    return IdentifierRef(kind=kind, hash=value, issuer=issuer)


ACCOUNT_A = ref("account", "a", "shop")
ACCOUNT_B = ref("account", "b", "shop")
BANK_ACCOUNT = ref("account", "x", "bank")
PHONE = ref("phone", "p")
OTHER_PHONE = ref("phone", "q")
MAIL = ref("email", "m")
COOKIE = ref("cookie", "c", "web")


class Desk:
    """A register with a counter for customers and positions; remembers everything that was learnt."""

    def __init__(self):
        self.register, self.learnt, self._ids, self._positions = Register(), [], count(1), count(1)

    def touch(self, *refs):
        """Recognise one touch and say whose it is."""
        found = self.register.recognise(refs, next(self._positions), lambda: f"customer-{next(self._ids)}")
        self.learnt += found.learnt
        self.last = found.learnt
        return found.customer

    def proposals(self):
        return [one for one in self.learnt if isinstance(one, MergeProposed)]


@pytest.fixture
def desk():
    return Desk()


def test_a_first_touch_makes_a_customer_and_links_what_it_showed(desk):
    assert desk.touch(PHONE, MAIL) == "customer-1"
    assert desk.learnt == [
        IdentifierLinked(customer="customer-1", identifier=PHONE),
        IdentifierLinked(customer="customer-1", identifier=MAIL),
    ]


def test_a_touch_that_teaches_nothing_new_records_nothing_new(desk):
    desk.touch(PHONE, MAIL)
    assert desk.touch(MAIL) == "customer-1"
    assert desk.last == []


def test_an_unknown_identifier_beside_a_known_one_is_linked_to_its_customer(desk):
    desk.touch(PHONE)
    assert desk.touch(PHONE, COOKIE) == "customer-1"
    assert desk.last == [IdentifierLinked(customer="customer-1", identifier=COOKIE)]


def test_a_stronger_identifier_joins_the_customer_that_a_weaker_one_leads_to(desk):
    desk.touch(PHONE)
    assert desk.touch(ACCOUNT_A, PHONE) == "customer-1"
    assert desk.touch(ACCOUNT_A) == "customer-1"


def test_a_touch_without_identifiers_is_nobodys(desk):
    assert desk.touch() == ""
    assert desk.learnt == []


def test_two_known_customers_in_one_touch_merge_into_the_older_and_it_says_what_that_rests_on(desk):
    older, younger = desk.touch(MAIL), desk.touch(PHONE)
    assert desk.touch(PHONE, MAIL) == older
    assert desk.last == [CustomersMerged(survivor=older, absorbed=younger, resting_on=(PHONE, MAIL))]
    assert desk.touch(PHONE) == older


def test_a_merge_takes_everything_the_younger_had_with_it(desk):
    older = desk.touch(MAIL)
    desk.touch(PHONE, COOKIE)
    desk.touch(PHONE, MAIL)
    assert desk.touch(COOKIE) == older


def test_a_touch_may_join_three_customers_at_once(desk):
    oldest = desk.touch(COOKIE)
    desk.touch(MAIL)
    desk.touch(PHONE)
    assert desk.touch(PHONE, MAIL, COOKIE) == oldest
    assert [type(one) for one in desk.last] == [CustomersMerged, CustomersMerged]
    assert {desk.touch(one) for one in (PHONE, MAIL, COOKIE)} == {oldest}


def test_two_accounts_of_one_issuer_never_merge_by_themselves(desk):
    first, second = desk.touch(ACCOUNT_A, PHONE), desk.touch(ACCOUNT_B, MAIL)
    assert desk.touch(PHONE, MAIL) == first
    assert desk.last == [MergeProposed(customer=second, other=first, why="veto")]
    assert desk.touch(ACCOUNT_B) == second


def test_two_accounts_of_different_issuers_are_one_customer(desk):
    desk.touch(ACCOUNT_A, PHONE)
    assert desk.touch(BANK_ACCOUNT, PHONE) == "customer-1"


def test_a_second_account_on_a_known_phone_is_another_customer_and_a_proposal(desk):
    first = desk.touch(ACCOUNT_A, PHONE)
    second = desk.touch(ACCOUNT_B, PHONE, MAIL)
    assert second != first
    assert desk.last == [
        IdentifierLinked(customer=second, identifier=ACCOUNT_B),
        MergeProposed(customer=second, other=first, why="veto"),
        IdentifierLinked(customer=second, identifier=MAIL),
    ]
    assert (desk.touch(PHONE), desk.touch(MAIL)) == (first, second)


def test_two_new_accounts_of_one_issuer_in_one_touch_are_two_customers(desk):
    first = desk.touch(ACCOUNT_A, ACCOUNT_B, MAIL)
    assert desk.touch(ACCOUNT_A) == desk.touch(MAIL) == first
    assert desk.touch(ACCOUNT_B) != first
    assert len(desk.proposals()) == 1


def test_a_known_account_keeps_its_touch_when_another_of_its_issuer_appears_beside_it(desk):
    first = desk.touch(ACCOUNT_A)
    assert desk.touch(ACCOUNT_A, ACCOUNT_B, MAIL) == first
    assert desk.touch(MAIL) == first
    assert desk.touch(ACCOUNT_B) != first


def test_a_touch_between_vetoed_customers_goes_to_the_one_of_its_strongest_identifier(desk):
    desk.touch(ACCOUNT_A, MAIL)
    second = desk.touch(ACCOUNT_B, PHONE)
    assert desk.touch(PHONE, MAIL) == second  # a phone says more than a mail address
    assert desk.touch(BANK_ACCOUNT, PHONE, MAIL) == second  # unknown itself, it goes with the phone


def test_no_customer_gathers_more_of_a_kind_than_the_limit_by_merging(desk):
    many = [ref("phone", f"x{n}") for n in range(LIMIT["phone"])]
    first, second = desk.touch(MAIL, *many[:3]), desk.touch(COOKIE, *many[3:], OTHER_PHONE)
    assert desk.touch(MAIL, COOKIE) == first
    assert desk.last == [MergeProposed(customer=second, other=first, why="limit")]


def test_an_identifier_shared_by_more_than_the_limit_is_blocked_and_stops_welding(desk):
    switchboard = PHONE
    people = [ref("email", f"person-{n}") for n in range(LIMIT["email"] + 3)]
    owners = [desk.touch(switchboard, mail) for mail in people]
    assert [one for one in desk.learnt if isinstance(one, IdentifierBlocked)] == [
        IdentifierBlocked(key="p", identifier=switchboard, why="shared_by_many")
    ]
    assert len(set(owners[LIMIT["email"] :])) == 3  # from then on strangers stay strangers
    assert desk.touch(switchboard) == ""


def test_a_phone_that_stands_between_many_accounts_is_blocked(desk):
    accounts = [ref("account", f"n{n}", "shop") for n in range(SHARED_BY + 2)]
    owners = [desk.touch(one, PHONE) for one in accounts]
    assert len(set(owners)) == len(accounts)
    assert PHONE.key in desk.register.blocked
    proposed = len(desk.proposals())
    desk.touch(ref("account", "one more", "shop"), PHONE)
    assert len(desk.proposals()) == proposed


def test_an_account_is_never_blocked_for_having_many_phones(desk):
    phones = [ref("phone", f"x{n}") for n in range(LIMIT["phone"] + 2)]
    assert {desk.touch(ACCOUNT_A, phone) for phone in phones} == {"customer-1"}
    assert desk.register.blocked == set()
    assert desk.touch(phones[-1]) != "customer-1"


def test_a_blocked_identifier_says_nothing_but_its_neighbours_still_do(desk):
    desk.touch(PHONE, MAIL)
    desk.register.blocked.add(PHONE.key)
    assert desk.touch(PHONE) == ""
    assert desk.touch(PHONE, MAIL) == "customer-1"
    assert desk.touch(PHONE, COOKIE) == "customer-2"


def test_a_blocked_identifier_leaves_room_for_another(desk):
    phones = [ref("phone", f"x{n}") for n in range(LIMIT["phone"])]
    desk.touch(MAIL, *phones)
    desk.register.blocked.add(phones[0].key)
    assert desk.touch(MAIL, OTHER_PHONE) == desk.touch(OTHER_PHONE)


REFS = st.builds(
    ref,
    st.sampled_from(["account", "account", "national_id", "phone", "email", "device", "cookie"]),
    st.sampled_from("abcdefgh"),
).map(lambda one: one if one.kind in ("phone", "email", "national_id") else ref(one.kind, one.hash, "shop"))
TOUCHES = st.lists(
    st.lists(REFS, min_size=1, max_size=4, unique_by=lambda one: one.key).map(
        lambda refs: tuple(sorted(refs, key=lambda one: strongest_first(one.kind)))
    ),
    min_size=1,
    max_size=40,
)


@given(touches=TOUCHES, data=st.data())
def test_in_any_order_each_identifier_leads_to_one_living_customer_and_no_veto_is_broken(touches, data):
    desk = Desk()
    for refs in data.draw(st.permutations(touches)):
        owner = desk.touch(*refs)
        usable = [one for one in refs if one.key not in desk.register.blocked]
        assert owner == (desk.register.links[usable[0].key] if usable else "")
    register = desk.register
    living = {owner: known for owner, known in register.customers.items() if owner not in register.absorbed}
    assert set(register.links.values()) <= set(living)
    for key, owner in register.links.items():
        assert [one for one, known in living.items() if key in known.identifiers] == [owner]
    for known in living.values():
        vetoing = [key[:2] for key in known.identifiers if key[0] in VETO_KINDS]
        assert len(vetoing) == len(set(vetoing))
        for kind, limit in LIMIT.items():
            counted = [key for key in known.identifiers - register.blocked if key[0] == kind]
            assert len(counted) <= limit


@given(touches=TOUCHES)
def test_the_recorded_events_alone_rebuild_the_register(touches):
    desk = Desk()
    for refs in touches:
        desk.touch(*refs)
    known = edges(happened(event, position=position) for position, event in enumerate(desk.learnt))
    links = {key: known.root(side) for key, side in known.linked.items()}
    assert (links, known.linked) == (desk.register.links, desk.register.sides)
    assert known.blocked == desk.register.blocked


def test_ever_new_cookies_block_nobody_who_is_known_by_more():
    register, ids = Register(), iter(f"c{n}" for n in range(99))
    for n in range(40):
        found = register.recognise([ref("openid", "ann"), ref("cookie", f"k{n}")], n, lambda: next(ids))
        assert found.customer == "c0"
    assert not register.blocked
