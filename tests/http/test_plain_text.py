"""Characters that change how a text is read."""

import unicodedata

import pytest

from trially.plain_text import is_plain, to_plain

EVERYTHING = [chr(point) for point in range(0x110000)]


def test_each_character_of_these_kinds_is_found() -> None:
    unsafe = {each for each in EVERYTHING if not is_plain(f"a{each}b")}

    of_category = {
        each for each in EVERYTHING if unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"}
    }
    directions = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    of_direction = {each for each in EVERYTHING if unicodedata.bidirectional(each) in directions}
    assert unsafe == of_category | of_direction | {"\u061c", "\u200e", "\u200f"}


@pytest.mark.parametrize(
    ("text", "plain", "lines"),
    [
        ("Ida\r\nBcc: x", "Ida  Bcc: x", "Ida \nBcc: x"),
        ("a\0b\u202ec", "abc", "abc"),
        ("a\tb\ud800", "a b", "a\tb"),
        ("Ångström \u200d 😀\xa0", "Ångström \u200d 😀\xa0", "Ångström \u200d 😀\xa0"),
    ],
)
def test_texts_become_plain(text: str, plain: str, lines: str) -> None:
    assert to_plain(text) == plain
    assert to_plain(text, keep_lines=True) == lines
    assert is_plain(plain)
