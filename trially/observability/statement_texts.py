"""What may be said of a statement: its text without any value, and whether it names its tenant."""

import re
from enum import StrEnum

from trially.database.model import TenantModel

VALUE = "?"

_TOKENS = re.compile(
    r"""
      (?P<kept> "(?:[^"]|"")*" )                                  # a quoted name
    | (?P<comment> /\*.*?(?:\*/|\Z) | --[^\n]* )
    | \$(?P<tag>[a-z_]\w*|)\$ .*? (?:\$(?P=tag)\$|\Z)             # values, from here on
    | \be'(?:[^'\\]|\\.|'')*(?:'|\Z)
    | '(?:[^']|'')*(?:'|\Z)
    | %\(\w+\)s | %s | \$\d+
    | (?<![\w"])\d[\w.]*
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""One pass finds them all: a quote in a comment, or a comment in a text, begins nothing."""

_LIST = re.compile(r"(?<!\w)\(\?(?:, ?\?)+\)")
_ROWS = re.compile(r"(\([^()]*\?[^()]*\))(?:, ?\([^()]*\?[^()]*\))+")

_WORD = re.compile(r"[a-z_][\w$]*", re.IGNORECASE)
_OWN_ID = r"(?:\"?\w+\"?\.)*\"?tenant_id\b"
_FILTER = re.compile(
    rf"\btenant_id\"?\s*(?:=|\bin\b)(?!\s*{_OWN_ID})"
    rf"|\btenant_id\"?\s*,[^()]*\)\s*(?:=|\bin\b)(?!\s*\(\s*{_OWN_ID})"
    rf"|(?:\?|\))\s*=\s*{_OWN_ID}"
    r"|\binsert\s+into\s+[\w.\"]+\s*(?:as\s+\w+\s*)?\([^)]*\btenant_id\b",
    re.IGNORECASE,
)
"""A comparison with a value. One with another table's `tenant_id` alone filters nothing."""


class TenantFilter(StrEnum):
    """Whether a statement names the tenant whose rows it reads or writes."""

    PRESENT = "present"
    MISSING = "missing"
    """It reads or writes tables of tenants, and only the database keeps it to one tenant."""
    NOT_NEEDED = "not needed"
    """It names no table of tenants."""


def normalised(statement: str) -> str:
    """Return a statement with `?` for each value, on one line.

    Values are literals, numbers and placeholders. A list of them, or of rows, is one `?` or row.
    Comments are left out, because they may quote a value.
    """
    text = " ".join(_TOKENS.sub(_replace, statement).split())
    return _ROWS.sub(r"\1", _LIST.sub(f"({VALUE})", text))


def tenant_filter_of(statement: str) -> TenantFilter:
    """Return whether a normalised statement names its tenant, by its text."""
    named = {word.lower() for word in _WORD.findall(statement)}
    if not named & TenantModel.metadata.tables.keys():
        return TenantFilter.NOT_NEEDED
    return TenantFilter.PRESENT if _FILTER.search(statement) else TenantFilter.MISSING


def _replace(token: re.Match[str]) -> str:
    if token["comment"]:
        return " "
    return token["kept"] or VALUE
