r"""The eligibility text of a registry as people read it.

ClinicalTrials.gov stores it in a subset of Markdown, in which signs are escaped: `HbA1c \>= 7`.
"""

import html
import re

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
"""A backslash before a sign of ASCII, as CommonMark defines escapes."""

_ENTITY = re.compile(r"&(?:lt|gt|le|ge|amp|quot|apos|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,5});")


def to_text(markdown: str) -> str:
    """Return the text without escapes. Lines, bullets and indentation stay."""
    return _ENTITY.sub(_character, _ESCAPED.sub(r"\1", markdown))


def _character(entity: re.Match[str]) -> str:
    character = html.unescape(entity.group())
    return character if character.isprintable() else " "
