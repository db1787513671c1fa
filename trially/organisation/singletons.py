"""Rows of which a tenant has one at most. Its id is the tenant's, and it exists once it is changed.

The version of a row that does not exist yet is 0.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy.dialects.postgresql import insert

from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    Model,
    find_item,
    lock_item,
    table_of,
    update_item,
)
from trially.database.session import db
from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.problems import PreconditionFailed

_BEYOND_CHECKSUMS = 10**10


def read_row(model: Model, names: Sequence[str]) -> Item:
    """Return the named columns and the version of the current tenant's row, or of an empty one."""
    row = find_item(model, current_placement().tenant_id, (*names, "version"))
    return row or {**dict.fromkeys(names), "version": 0}


def lock_row(model: Model, names: Sequence[str]) -> Item:
    """Return the same, and lock the row until the end of the transaction. It exists then."""
    tenant_id = current_placement().tenant_id
    created = db.session.execute(
        insert(table_of(model))
        .values(tenant_id=tenant_id, id=tenant_id)
        .on_conflict_do_nothing()
        .returning(table_of(model).c.id)
    ).first()
    note_derived(table_of(model).name)  # An empty row says what no row says.
    row = lock_item(model, tenant_id, (*names, "version"))
    assert row is not None  # noqa: S101
    return row if created is None else {**row, "version": 0}


def write_row(model: Model, values: Mapping[str, Any], names: Sequence[str]) -> Item:
    """Change the current tenant's row, which `lock_row` has locked, and return it."""
    row = update_item(model, current_placement().tenant_id, values, (*names, "version"))
    assert row is not None  # noqa: S101
    return row


def combined_version(version: int, beside: Any) -> int:
    """Return a version that grows with a row's, and differs if what is shown beside it does.

    `beside` is a value of JSON. An ETag has 18 digits at most: 8 for the row, 10 for a checksum.
    """
    return version * _BEYOND_CHECKSUMS + zlib.crc32(orjson.dumps(beside))


def refuse_other_version(version: int, versions: Versions | None) -> None:
    """Answer 412 if the client has seen another version than this one."""
    if versions is not None and version not in versions:
        raise PreconditionFailed(
            "The settings have changed since that version. Read them again.",
            code=Code.VERSION_CONFLICT,
        )
