"""Who may be one person by name and birthday: proposed, never decided."""

import pytest

from models.domain.duplicate import ALIKE, RARE, Pair, Person, likeness, pairs, slipped


def people(*told):
    return [Person(customer=f"c{n}", name=name, birthday=born) for n, (name, born) in enumerate(told)]


def found(*told):
    return [(pair.one, pair.other) for pair in pairs(people(*told))]


@pytest.mark.parametrize(
    "one, other",
    [
        ("Ann Smith", "Smith, Ann"),
        ("Ann Smith", "Ann Marie Smith"),
        ("José Núñez", "Jose Nunez"),
        ("Jörg Müller", "Joerg Mueller"),
        ("Jon Smith", "John Smith"),
        ("张伟", "Zhang Wei"),
        ("张伟", "Wei Zhang"),
        ("张伟", "ZHANGWEI"),
        ("张伟", "张玮"),
        ("欧阳娜娜", "Ouyang Nana"),
    ],
)
def test_one_name_written_in_two_ways_on_one_birthday_is_proposed(one, other):
    assert found((one, "1980-05-03"), (other, "1980-05-03")) == [("c0", "c1")]


@pytest.mark.parametrize(
    "one, other",
    [
        ("Ann Smith", "Bob Smith"),
        ("张伟", "张强"),
        ("李伟", "李娜"),
        ("Ann Smith", "Ann"),
        ("Ann Smith", "Ann Jones"),
    ],
)
def test_twins_and_namesakes_in_part_are_not(one, other):
    assert found((one, "1980-05-03"), (other, "1980-05-03")) == []


def test_the_same_name_on_another_birthday_is_another_person():
    assert found(("Ann Smith", "1980-05-03"), ("Ann Smith", "1974-11-20")) == []


@pytest.mark.parametrize("other", ["1980-05-04", "1981-05-03", "1980-03-05"])
def test_a_rare_name_with_a_slip_in_the_birthday_is_proposed(other):
    assert found(("Ann Quill", "1980-05-03"), ("Quill Ann", other)) == [("c0", "c1")]


def test_a_common_name_with_a_slip_in_the_birthday_says_nothing():
    many = [("Ann Smith", f"1980-05-0{day}") for day in range(1, RARE + 2)]
    assert found(*many) == []


def test_the_surest_come_first_and_each_pair_once():
    told = people(*[(name, "1980-05-03") for name in ("Ann Smith", "Anne Smith", "Ann Smith")])
    assert pairs(told) == [Pair(1.0, "c0", "c2"), Pair(0.947, "c0", "c1"), Pair(0.947, "c1", "c2")]


def test_a_birthday_that_thousands_have_was_filled_in_by_a_form():
    assert pairs(people(*[("Ann Smith", "1900-01-01")] * 2_001)) == []


def test_a_likeness_is_the_same_from_either_side():
    for one, other in [("张伟", "Zhang Wei"), ("Ann Smith", "Anne Smith"), ("Ann", "张伟"), ("", "Ann")]:
        assert likeness(one, other) == likeness(other, one)
    assert likeness("", "") < ALIKE


def test_day_and_month_are_changed_about_only_within_one_year():
    assert slipped("1980-05-03", "1980-03-05")
    assert not slipped("1980-05-03", "1981-03-05")
    assert not slipped("1980-05-03", "1980-05-03")
    assert not slipped("1980-12-31", "1981-01-01")
