"""Read PostgreSQL's `aclitem` texts as privileges."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

OWNER = "its owner"
"""Stands for an object's owner, so that another owner is not reported once for each grant."""

_PRIVILEGES = {
    "a": "INSERT",
    "r": "SELECT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
    "c": "CONNECT",
    "T": "TEMPORARY",
    "s": "SET",
    "A": "ALTER SYSTEM",
}

_ITEM = re.compile(
    r'(?P<grantee>"(?:[^"]|"")*"|[^=]*)=(?P<letters>[^/]*)/(?P<grantor>.*)', re.DOTALL
)


class Privilege(NamedTuple):
    """One privilege that a role has on an object."""

    grantee: str
    name: str
    is_grantable: bool
    grantor: str


def read_privileges(rows: Iterable[Mapping[str, Any]]) -> frozenset[Privilege]:
    """Return the privileges in the rows of one object, each with an `item` and the `owner`."""
    return frozenset(privilege for row in rows for privilege in _read_item(**row))


def _read_item(item: str, owner: str) -> Iterable[Privilege]:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"PostgreSQL printed the privileges {item!r}, which cannot be read.")
    names = (match["grantee"] or "PUBLIC", match["grantor"])
    grantee, grantor = (OWNER if name == owner else name for name in names)
    for letter, option in re.findall(r"(\w)(\*?)", match["letters"]):
        # An unknown letter is a privilege of a newer PostgreSQL.
        yield Privilege(grantee, _PRIVILEGES.get(letter, letter), option == "*", grantor)
