"""Read the messages of PostgreSQL's output plugin `pgoutput`, protocol version 1.

The format is in PostgreSQL's manual, "Logical Replication Message Formats".
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from trially.tenancy.lifecycle.moving.errors import LostStreamError


class Unchanged(Enum):
    """The marker of a large value that an UPDATE did not change, so that WAL does not have it."""

    VALUE = "unchanged"


Value = bytes | None | Unchanged
"""The text of a value, None for NULL."""


@dataclass(frozen=True)
class Relation:
    """A table as the stream describes it before its first change."""

    table: str
    columns: tuple[str, ...]
    id_position: int


@dataclass(frozen=True)
class Change:
    """A changed row, with its values if it was inserted or updated."""

    relation: Relation
    old_id: bytes | None
    """The id of a row that was deleted, or the former id of one whose id changed."""

    new_id: bytes | None
    """The id of a row that was inserted or updated."""

    values: Sequence[Value] = ()
    is_insert: bool = False


@dataclass(frozen=True)
class Note:
    """A message that was written into the WAL by `pg_logical_emit_message`."""

    prefix: str
    content: bytes


class Decoder:
    """Decodes one stream. It knows the relations that the stream has described."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}

    def decode(self, payload: bytes) -> Change | Note | None:
        """Return what a message says, or None if it says nothing about rows.

        Raises `LostStreamError` for a message that a move cannot follow.
        """
        kind = payload[:1]
        if kind == b"I":
            relation = self._relation(payload)
            values, _ = _read_row(payload, 6)
            return Change(relation, None, _id_of(relation, values), values, is_insert=True)
        if kind == b"U":
            return self._decode_update(payload)
        if kind == b"D":
            relation = self._relation(payload)
            key, _ = _read_row(payload, 6)
            return Change(relation, _id_of(relation, key), None)
        if kind == b"M":
            return _decode_note(payload)
        if kind == b"R":
            self._learn(payload)
        elif kind == b"T":
            raise LostStreamError("A table was truncated during the move.")
        return None

    def _decode_update(self, payload: bytes) -> Change:
        relation, start = self._relation(payload), 5
        old_id = None
        if payload[start : start + 1] in (b"K", b"O"):
            key, start = _read_row(payload, start + 1)
            old_id = _id_of(relation, key)
        values, _ = _read_row(payload, start + 1)
        new_id = _id_of(relation, values)
        return Change(relation, None if old_id == new_id else old_id, new_id, values)

    def _relation(self, payload: bytes) -> Relation:
        return self._relations[_int(payload, 1)]

    def _learn(self, payload: bytes) -> None:
        """Remember a description of a table."""
        oid = _int(payload, 1)
        _, start = _read_text(payload, 5)  # the schema
        table, start = _read_text(payload, start)
        (count,) = struct.unpack_from(">H", payload, start + 1)
        start += 3
        columns: list[str] = []
        for _ in range(count):
            column, start = _read_text(payload, start + 1)
            columns.append(column)
            start += 8
        self._relations[oid] = Relation(table, tuple(columns), columns.index("id"))


def _decode_note(payload: bytes) -> Note:
    prefix, start = _read_text(payload, 10)
    length = _int(payload, start)
    return Note(prefix, payload[start + 4 : start + 4 + length])


def _read_row(payload: bytes, start: int) -> tuple[list[Value], int]:
    """Return the values of a row that begins at `start`, and where it ends."""
    (count,) = struct.unpack_from(">H", payload, start)
    start += 2
    values: list[Value] = []
    for _ in range(count):
        kind = payload[start]
        start += 1
        if kind == 0x74:  # t: text
            length = int.from_bytes(payload[start : start + 4], "big")
            start += 4
            values.append(payload[start : start + length])
            start += length
        elif kind == 0x6E:  # n: NULL
            values.append(None)
        else:  # u: unchanged
            values.append(Unchanged.VALUE)
    return values, start


def _read_text(payload: bytes, start: int) -> tuple[str, int]:
    end = payload.index(b"\0", start)
    return payload[start:end].decode(), end + 1


def _int(payload: bytes, start: int) -> int:
    return int.from_bytes(payload[start : start + 4], "big")


def _id_of(relation: Relation, values: Sequence[Value]) -> bytes:
    value = values[relation.id_position]
    if not isinstance(value, bytes):
        raise LostStreamError(f"A change of {relation.table} has no id.")
    return value
