"""What matching keeps between requests: frames, and results of leaves.

An entry says up to which change of the tenant's patients it is right.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeVar

import zstandard
from sqlalchemy import Column, Table, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.sealing import field_state
from trially.database.session import db
from trially.recruiting.criteria.evaluation.folding import Bits
from trially.recruiting.matching.model import MatchFrame, MatchLeaf

KEPT_DAYS = 30
"""An entry that was not used for so long is deleted."""

KEPT_LEAF_DAYS = 2
"""Results are for a day. Those of former days are deleted after so many."""

MOST_FRAMES, MOST_LEAVES = 500, 10_000
"""Entries of a tenant. Those that were used longest ago are deleted first."""

ROWS_AT_A_TIME = 100
"""Results that one statement writes: of 100,000 patients some megabytes."""

_frame, _leaf = table_of(MatchFrame), table_of(MatchLeaf)

_LEVEL = 1


T = TypeVar("T")


class KeptFrame(NamedTuple):
    """A frame as it is stored."""

    change_number: int
    content: bytes


class KeptLeaf(NamedTuple):
    """The results of a leaf on one day."""

    change_number: int
    bits: Bits


def read_frame(name: bytes, today: dt.date) -> KeptFrame | None:
    """Return a stored frame."""
    row = db.session.execute(
        select(_frame.c.change_number, _frame.c.content, _frame.c.used_on).where(
            of_current_tenant(MatchFrame), _frame.c.selector == name
        )
    ).one_or_none()
    if row is None:
        return None
    _note_use(_frame, _frame.c.selector, [name] if row.used_on < today else [], today)
    return KeptFrame(row.change_number, bytes(row.content))


def write_frame(name: bytes, change_number: int, content: bytes, today: dt.date) -> None:
    """Store a frame, in place of an older one."""
    statement = insert(_frame).values(
        tenant_id=current_placement().tenant_id,
        id=uuid7(),
        selector=name,
        change_number=change_number,
        content=content,
        used_on=today,
    )
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[_frame.c.tenant_id, _frame.c.selector],
            set_={
                "change_number": statement.excluded.change_number,
                "content": statement.excluded.content,
                "used_on": statement.excluded.used_on,
            },
        )
    )


def kept_or_read(
    name: bytes,
    change_number: int,
    today: dt.date,
    *,
    read: Callable[[], T],
    dump: Callable[[T], bytes],
    load: Callable[[bytes], T],
) -> T:
    """Return columns of all patients: as stored if no patient has changed, else read again."""
    kept = read_frame(name, today)
    if kept is not None and kept.change_number == change_number:
        return load(kept.content)
    found = read()
    # A stored frame would show birth dates and addresses that the tenant encrypts.
    if not field_state().is_sealed:
        write_frame(name, change_number, dump(found), today)
    return found


def read_leaves(names: Collection[bytes], as_of: dt.date) -> dict[bytes, KeptLeaf]:
    """Return the stored results of some leaves on one day."""
    rows = db.session.execute(
        select(_leaf.c.leaf, _leaf.c.change_number, _leaf.c.content).where(
            of_current_tenant(MatchLeaf), _leaf.c.as_of == as_of, _leaf.c.leaf.in_(list(names))
        )
    ).all()
    return {bytes(row.leaf): KeptLeaf(row.change_number, _unpack(row.content)) for row in rows}


def write_leaves(results: Mapping[bytes, Bits], change_number: int, as_of: dt.date) -> None:
    """Store the results of leaves on one day, in place of older ones."""
    tenant_id = current_placement().tenant_id
    # In one order, so that two who write the same leaves do not wait for each other.
    names = sorted(results)
    for start in range(0, len(names), ROWS_AT_A_TIME):
        statement = insert(_leaf).values(
            [
                {
                    "tenant_id": tenant_id,
                    "id": uuid7(),
                    "leaf": name,
                    "as_of": as_of,
                    "change_number": change_number,
                    "content": _pack(results[name]),
                    "used_on": as_of,
                }
                for name in names[start : start + ROWS_AT_A_TIME]
            ]
        )
        db.session.execute(
            statement.on_conflict_do_update(
                index_elements=[_leaf.c.tenant_id, _leaf.c.leaf, _leaf.c.as_of],
                set_={
                    "change_number": statement.excluded.change_number,
                    "content": statement.excluded.content,
                },
            )
        )


def prune(today: dt.date) -> int:
    """Delete what was not used for long, and what is too much; return the number of entries."""
    deleted = 0
    for table, most, days in (
        (_frame, MOST_FRAMES, KEPT_DAYS),
        (_leaf, MOST_LEAVES, KEPT_LEAF_DAYS),
    ):
        oldest = today - dt.timedelta(days=days)
        mine = table.c.tenant_id == current_placement().tenant_id
        newest = select(table.c.id).where(mine).order_by(table.c.used_on.desc(), table.c.id.desc())
        too_many = table.c.id.in_(newest.offset(most))
        statement = delete(table).where(mine, (table.c.used_on < oldest) | too_many)
        deleted += db.session.connection().execute(statement).rowcount
    return deleted


def _note_use(table: Table, column: Column[bytes], names: list[bytes], today: dt.date) -> None:
    if names:
        db.session.execute(
            update(table)
            .where(table.c.tenant_id == current_placement().tenant_id, column.in_(names))
            .values(used_on=today)
        )


def _pack(bits: Bits) -> bytes:
    """Return sets as bytes. The sets are as long as the longest one."""
    length = max(1, *((members.bit_length() + 7) // 8 for members in bits))
    content = b"".join(members.to_bytes(length, "little") for members in bits)
    return zstandard.ZstdCompressor(level=_LEVEL).compress(content)


def _unpack(content: bytes) -> Bits:
    sets = zstandard.ZstdDecompressor().decompress(content)
    length = len(sets) // len(Bits._fields)
    return Bits(
        *(
            int.from_bytes(sets[start : start + length], "little")
            for start in range(0, len(sets), length)
        )
    )
