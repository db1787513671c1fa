"""Versions of a study's protocol by their numbers, from 1."""

from uuid import UUID

from sqlalchemy import func, select

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.recruiting.protocols.versions.schema import LAST_NUMBER

_columns = table_of(ProtocolVersion).c


def id_of(study_id: UUID, number: int) -> UUID | None:
    """Return the id of the version of a study with a number, or None if there is none."""
    if number > LAST_NUMBER:
        return None
    statement = select(_columns.id).where(
        of_current_tenant(ProtocolVersion),
        _columns.study_id == study_id,
        _columns.number == number,
    )
    return next((row["id"] for row in fetch_items(statement)), None)


def find_shown(study_id: UUID) -> Item | None:
    """Return the active version of a study, else the newest one: id, number and status."""
    is_active = _columns.status == VersionStatus.ACTIVE
    rows = fetch_items(
        select(_columns.id, _columns.number, _columns.status)
        .where(of_current_tenant(ProtocolVersion), _columns.study_id == study_id)
        .order_by(is_active.desc(), _columns.number.desc())
        .limit(1)
    )
    return rows[0] if rows else None


def next_number(study_id: UUID) -> int:
    """Return the number of a study's next version. The study must be locked."""
    [last] = fetch_items(
        select(func.max(_columns.number).label("number")).where(
            of_current_tenant(ProtocolVersion), _columns.study_id == study_id
        )
    )
    return int(last["number"] or 0) + 1
