"""Studies of the current tenant by their numbers, and what the last import kept of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.studies.model import Study
from trially.recruiting.study_imports.model import RegistryRecord
from trially.recruiting.study_imports.registry_studies import RegistryStudy

_study = table_of(Study).c
_record = table_of(RegistryRecord).c


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study that has an NCT id, as it is stored."""

    id: UUID
    values: Mapping[str, Any]
    """Columns by name."""

    digest: bytes | None
    """Digest of the last import, or None if the study was never imported."""

    imported: Mapping[str, Any]
    """The values that the last import read, by column."""


def find_study(nct_id: str, names: Sequence[str]) -> StoredStudy | None:
    """Return the study with an NCT id, with its named columns."""
    record = table_of(RegistryRecord)
    statement = (
        select(
            _study.id,
            *(_study[name] for name in names if name != "id"),
            _record.digest,
            _record.imported,
        )
        .select_from(
            table_of(Study).outerjoin(
                record,
                (_record.tenant_id == _study.tenant_id) & (_record.study_id == _study.id),
            )
        )
        .where(of_current_tenant(Study), _study.nct_id == nct_id)
    )
    for row in fetch_items(statement):
        digest = row["digest"]
        return StoredStudy(
            row["id"],
            {name: row[name] for name in names},
            None if digest is None else bytes(digest),
            row["imported"] or {},
        )
    return None


def has_protocol_number(number: str) -> bool:
    """Return whether a study has a protocol number."""
    statement = select(_study.id).where(of_current_tenant(Study), _study.protocol_number == number)
    return db.session.execute(statement.limit(1)).first() is not None


def find_record(study_id: UUID) -> Item | None:
    """Return the registry's record of a study, or None if it was never imported."""
    statement = select(_record.study_id, _record.body, _record.left_out, _record.imported_at).where(
        of_current_tenant(RegistryRecord), _record.study_id == study_id
    )
    return next(iter(fetch_items(statement)), None)


def store_record(
    study_id: UUID, study: RegistryStudy, digest: bytes, imported: Mapping[str, Any]
) -> None:
    """Store the registry's record of a study in place of an earlier one."""
    values = {
        "digest": digest,
        "body": study.record,
        "imported": dict(imported),
        "left_out": study.left_out,
    }
    keys = {"tenant_id": current_placement().tenant_id, "id": uuid7(), "study_id": study_id}
    db.session.execute(
        insert(table_of(RegistryRecord))
        .values(**keys, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "study_id"], set_={**values, "imported_at": func.now()}
        )
    )
