import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support import spellings

from vestibule.domain import texts

MIXED = st.text(st.sampled_from("a1 \u00a0\u200b\u202e\ufe0f\u0301\u0661\u4e00") | st.characters(), max_size=12)


@given(MIXED)
def test_trimmed_text_begins_and_ends_with_a_visible_character(text: str) -> None:
    trimmed = texts.trimmed(text)

    assert trimmed in text
    assert all(map(texts.is_visible, trimmed[:1] + trimmed[-1:]))
    assert texts.trimmed(f"\u200b {text}\ufeff\n") == trimmed
    assert bool(trimmed) == texts.is_visible(text)


@pytest.mark.parametrize("mark", spellings.INVISIBLE[::40] + "\u200b\u200d\u202e\u2066\ufeff\u00ad\u2800\u3164\ufe0f")
def test_invisible_character_is_removed(mark: str) -> None:
    assert texts.without_invisible(f"{mark}1{mark}2{mark}") == "12"
    assert not texts.is_visible(mark)


@pytest.mark.parametrize("text", ["Ada", "\u0301", "\u0600", "\U0001fa77", "\u0378"])
def test_visible_character_stays(text: str) -> None:
    assert texts.without_invisible(text) == texts.trimmed(text) == text
    assert texts.is_visible(text)
    assert not texts.has_control(text)


@pytest.mark.parametrize(
    "text", ["\0", "\x1b", "\x7f", "\x85", "\ufdd0", "\ufdef", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"]
)
def test_control_characters_and_noncharacters_are_found(text: str) -> None:
    assert texts.has_control(f"a{text}b")


@given(st.characters())
def test_control_characters_are_those_of_unicode(mark: str) -> None:
    assert texts.has_control(mark) == (
        unicodedata.category(mark) == "Cc"
        or mark.encode("utf-16-be", "surrogatepass")[-2:] >= b"\xff\xfe"
        or "\ufdd0" <= mark <= "\ufdef"
    )


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff"])
def test_text_that_cannot_be_stored_is_replaced(text: str) -> None:
    assert not texts.is_storable(text)
    assert texts.is_storable(texts.storable(text))
    assert "\ufffd" in texts.storable(text)


@pytest.mark.parametrize("zero", spellings.ZEROS)
def test_digits_of_every_script_are_read(zero: str) -> None:
    assert texts.with_ascii_digits("".join(chr(ord(zero) + number) for number in range(10))) == "0123456789"


@pytest.mark.parametrize("text", ["", "12a456", "\u00b2\u00b3", "abc", "12,456", "1\u20e32"])
def test_text_that_is_no_code_stays(text: str) -> None:
    assert texts.code_digits(f" {text} ") == text


@given(spellings.codes("012345"))
@example("012 345")
@example("012-345")
@example("\u202a012\u200b345\u202c")
def test_every_spelling_of_a_code_is_read(text: str) -> None:
    assert texts.code_digits(text) == "012345"


@given(MIXED)
def test_text_on_one_line_has_no_mark_that_breaks_or_turns_it(text: str) -> None:
    line = texts.one_line(text)
    assert len(line) == len(text)
    assert texts.is_one_line(line)
    assert texts.is_storable(line)
    assert texts.one_line(line) == line


@pytest.mark.parametrize("mark", "\0\n\x85\u2028\u2029\u061c\u200e\u202e\u2066")
def test_mark_that_breaks_or_turns_a_line_is_found(mark: str) -> None:
    assert not texts.is_one_line(f"a{mark}b")
