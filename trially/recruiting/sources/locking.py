"""Locks that let one transaction at a time write the records of a source."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from trially.database.placement import current_placement
from trially.database.session import db


def lock_source(name: str) -> None:
    """Wait until no import writes records of a source, and keep imports waiting until the end.

    A transaction that locks several sources locks them in the order of their names.
    """
    lock_until_commit(key_of_source(name))


def lock_sources_of(*records: Mapping[str, Any]) -> None:
    """Keep imports and merges of these records' sources waiting until the end."""
    for source in sorted({record["source"] for record in records}):
        lock_source(source)


def key_of_source(name: str) -> str:
    """Return the key of the lock of a source of the current tenant."""
    return f"import {current_placement().tenant_id} {name}"


def lock_until_commit(key: str) -> None:
    """Wait for the advisory lock of a key, and hold it until the transaction ends.

    A batch of an import may hold the lock for longer than a request waits for a row. So the
    transaction waits for locks as long as a statement may take.
    """
    db.session.execute(
        text(
            "SELECT set_config('lock_timeout', '0', true),"
            " pg_advisory_xact_lock(hashtextextended(:key, 0))"
        ),
        {"key": key},
    )
