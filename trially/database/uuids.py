"""Read UUIDs of PostgreSQL in half the time that the constructor of `UUID` takes."""

from typing import Any
from uuid import UUID, SafeUUID

from psycopg2.extensions import connection, new_type, register_type

_OID = 2950
_make, _set = object.__new__, object.__setattr__


def read_uuid(text: Any, _cursor: Any = None) -> UUID | None:
    """Return the UUID that PostgreSQL writes as `text`: 32 digits in five groups.

    The constructor also accepts other notations, and checks them. Its instances have these two
    documented attributes, and refuse to be changed.
    """
    if text is None:
        return None
    made = _make(UUID)
    _set(made, "int", int(text.replace("-", ""), 16))
    _set(made, "is_safe", SafeUUID.unknown)
    return made


_UUID = new_type((_OID,), "UUID", read_uuid)


def read_uuids(raw: connection) -> None:
    """Let a connection read columns of UUIDs in this way."""
    register_type(_UUID, raw)
