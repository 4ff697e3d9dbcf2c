"""By which words a text is found, and by which spellings a name."""

import pytest

from models.domain.name import groups, likeness, near, spellings
from models.domain.word import snippet, words


def finds(asked, text):
    return words(asked) <= words(text)


def fits(asked, name):
    """As the index answers: of each word asked for, a spelling that is near."""
    stored = spellings(name)
    return any(all(near(word) & stored for word in group) for group in groups(asked))


@pytest.mark.parametrize(
    "asked, text",
    [
        ("REFUND", "Where is my refund?"),
        ("creme brulee", "Crème brûlée was cold"),
        ("strasse", "Straße 12"),
        ("oresund", "Øresund"),
        ("2671", "call +1 415 555 2671"),
        ("iphone15", "ｉＰｈｏｎｅ１５ broke"),
        ("退款", "我要求退款，三天了"),
        ("要求退款", "我要求退款，三天了"),
        ("refund 退款", "客户说退款refund没到账"),
        ("50 元", "扣了50元"),
        ("ホテル", "このホテルの請求"),
        ("환불", "환불해 주세요"),
        ("好", "好!"),
    ],
)
def test_a_text_is_found_however_it_is_typed(asked, text):
    assert finds(asked, text)


@pytest.mark.parametrize(
    "asked, text", [("fund", "refund"), ("退货", "退款和货物"), ("refund bill", "refund")]
)
def test_a_text_without_one_of_the_words_is_not_found(asked, text):
    assert not finds(asked, text)


def test_what_has_no_letter_has_no_word():
    assert words(" …!? \u200b\u0301") == set()


def test_a_word_as_long_as_a_book_is_cut():
    assert max(map(len, words("x" * 100_000))) == 64


def test_a_snippet_shows_the_word_with_what_stands_about_it_on_one_line():
    text = "word " * 40 + "the Réfund\nnever came " + "again " * 40
    shown = snippet(text, words("refund"))
    assert "the Réfund never came" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "\n" not in shown
    assert snippet("我要求退款", words("退款")) == "我要求退款"
    assert snippet("nothing of it", words("refund")) == ""


@pytest.mark.parametrize(
    "asked, name",
    [
        ("Smith", "Ann Smith"),
        ("smith ann", "Ann Smith"),
        ("Jose Nunez", "José Núñez"),
        ("Smiht", "Ann Smith"),
        ("Smth", "Ann Smith"),
        ("Smithh", "Ann Smith"),
        ("Smeth", "Ann Smith"),
        ("annsmith", "Ann Smith"),
        ("张伟", "张伟"),
        ("张玮", "张伟"),
        ("zhang wei", "张伟"),
        ("Wei Zhang", "张伟"),
        ("zhangwei", "张伟"),
        ("zhnagwei", "张伟"),
        ("zw", "张伟"),
        ("张伟", "Zhang Wei"),
        ("Zeng Guofan", "曾国藩"),
        ("ceng guofan", "曾国藩"),
        ("lv bu", "吕布"),
        ("Lü Bu", "吕布"),
        ("欧阳娜", "欧阳娜娜"),
    ],
)
def test_a_name_is_found_as_people_write_it_with_a_slip_too(asked, name):
    assert fits(asked, name)


@pytest.mark.parametrize("asked, name", [("Ann Jones", "Ann Smith"), ("张强", "张伟"), ("李四", "张三")])
def test_another_name_is_not_found(asked, name):
    assert not fits(asked, name)


def test_of_names_found_the_one_written_alike_is_likest():
    found = ["张伟", "张玮", "Zhang Wei", "张卫东"]
    assert sorted(found, key=lambda name: -likeness("张伟", name))[0] == "张伟"
    assert likeness("zw", "张伟") >= 0.6
    assert likeness("", "张伟") == 0


def test_what_a_name_field_may_hold_besides_names_finds_nothing():
    assert groups("…") == []
    assert spellings("†") == set()
