"""Characters that a line of text must not contain, because they change how people read it.

These are control characters, line and paragraph separators, lone surrogates, and the characters
that set the direction of text: with one of them, a name can be shown as another name.
"""

import re

# Unicode's general categories Cc, Cs, Zl and Zp, and the property Bidi_Control.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_KEPT_IN_NOTES = frozenset("\n\t")


def is_plain(text: str) -> bool:
    """Return whether a text has none of these characters."""
    return text.isprintable() or _UNSAFE.search(text) is None


def to_plain(text: str, *, keep_lines: bool = False) -> str:
    """Return a text without these characters.

    White space among them becomes a space; `keep_lines` keeps line feeds and tabs.
    """
    if text.isprintable():
        return text

    def replace(match: re.Match[str]) -> str:
        character = match.group()
        if keep_lines and character in _KEPT_IN_NOTES:
            return character
        return " " if character.isspace() else ""

    return _UNSAFE.sub(replace, text)
