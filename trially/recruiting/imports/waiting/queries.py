"""Find and delete the facts that wait for their patient."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select

from trially.audit.recording import note
from trially.database.changes import note_derived
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.waiting.model import WaitingFact
from trially.recruiting.imports.writing.batches import BATCH_BYTES, BATCH_LINES
from trially.recruiting.imports.writing.resources import TranslatedResource

SEARCHED_AT_ONCE = 10_000
"""Waiting facts whose patients are looked for in one statement."""


def delete_waiting(source: str, older_than: dt.timedelta) -> int:
    """Delete the facts of a source that have waited for longer, and return their number."""
    waiting = table_of(WaitingFact)
    statement = delete(waiting).where(*_waits_longer(source, older_than))
    number = len(db.session.execute(statement.returning(waiting.c.id)).all())
    note_derived("waiting_fact")
    if number:
        note(source=source, no_longer_waiting=number)
    return number


def count_waiting(source: str, older_than: dt.timedelta) -> int:
    """Return how many facts of a source have waited for longer."""
    statement = select(func.count()).where(*_waits_longer(source, older_than))
    number: int = db.session.execute(statement).scalar_one()
    return number


def _waits_longer(source: str, than: dt.timedelta) -> Sequence[ColumnElement[bool]]:
    waiting = table_of(WaitingFact).c
    return (
        of_current_tenant(WaitingFact),
        waiting.source == source,
        waiting.waiting_since <= func.now() - than,
    )


def count_of_source(source: str) -> int:
    """Return how many facts of a source wait."""
    statement = select(func.count()).where(
        of_current_tenant(WaitingFact), table_of(WaitingFact).c.source == source
    )
    number: int = db.session.execute(statement).scalar_one()
    return number


def search(source: str, import_id: UUID, after: UUID) -> list[Item]:
    """Return waiting facts of a source, for one of its imports.

    A document that waits for its Binary is left to its own import, which has the Binary.
    """
    waiting = table_of(WaitingFact).c
    return fetch_items(
        select(*columns_named(WaitingFact, ("id", "patient_key", "json_bytes")))
        .where(
            of_current_tenant(WaitingFact),
            waiting.source == source,
            waiting.id > after,
            or_(waiting.awaits_binary.is_(False), waiting.import_id == import_id),
        )
        .order_by(waiting.id)
        .limit(SEARCHED_AT_ONCE)
    )


def search_textless(import_id: UUID, after: UUID) -> list[Item]:
    """Return the documents of an import that wait for their Binary resources."""
    waiting = table_of(WaitingFact).c
    return fetch_items(
        select(*columns_named(WaitingFact, ("id", "json_bytes")))
        .where(
            of_current_tenant(WaitingFact),
            waiting.import_id == import_id,
            waiting.id > after,
            waiting.awaits_binary,
        )
        .order_by(waiting.id)
        .limit(BATCH_LINES)
    )


def fitting(rows: Sequence[Item]) -> Sequence[Item]:
    """Return the first of these waiting facts, as many as fit into a batch and at least one."""
    size = 0
    for number, row in enumerate(rows):
        size += row["json_bytes"]
        if number >= BATCH_LINES or (number and size > BATCH_BYTES):
            return rows[:number]
    return rows


def fetch_resources(ids: Sequence[UUID]) -> dict[UUID, TranslatedResource]:
    """Return waiting facts by their ids, in the order in which they were read."""
    waiting = table_of(WaitingFact).c
    rows = fetch_items(
        select(*columns_named(WaitingFact, ("id", "file", "line", "resource")))
        .where(of_current_tenant(WaitingFact), waiting.id.in_(ids))
        .order_by(waiting.id)
    )
    return {
        row["id"]: TranslatedResource(file=row["file"], line=row["line"], **row["resource"])
        for row in rows
    }


def delete_rows(ids: Sequence[UUID]) -> None:
    """Delete waiting facts."""
    waiting = table_of(WaitingFact)
    db.session.execute(delete(waiting).where(of_current_tenant(WaitingFact), waiting.c.id.in_(ids)))
    note_derived("waiting_fact")
