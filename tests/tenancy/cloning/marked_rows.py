"""One row in each table of a tenant, whose texts, objects and digests are unique markers."""

import datetime as dt
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Boolean, Date, DateTime, LargeBinary, String, Table, Time, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from trially.database.classes import class_of
from trially.database.model import TenantModel
from trially.database.sealed_rows import columns_beside
from trially.tenancy.catalog import Tenant
from trially.tenancy.lifecycle.moving.sides import side_of

CHOSEN = {
    "import_job.state": "done",
    "job.state": "done",
    "member.role": "owner",
    "member.phi_level": "full",
    "backfill_progress.state": "done",
    "possible_duplicate.state": "open",
    # A proposal quotes a document or a field of the study, not both.
    "criterion_proposal.study_field": None,
    # An invitation names a subject or an e-mail address, not both.
    "invitation.subject": None,
}
DAY = dt.date(1957, 3, 19)


@dataclass
class MarkedRows:
    """Rows of one tenant, and the markers that they have."""

    tenant: Tenant
    markers: set[str] = field(default_factory=set)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))

    def insert(self) -> None:
        """Insert the rows past triggers and foreign keys, with ids that refer to each other."""
        tables = TenantModel.metadata.sorted_tables
        ids = {table.name: uuid4() for table in tables}
        with side_of(self.tenant.placement).writing() as session:
            for table in tables:
                row = self._row(table, ids)
                self.tables[table.name] = row
                self.markers.add(str(ids[table.name]))
                names = ", ".join(f'"{name}"' for name in row)
                session.run(
                    f"INSERT INTO {self.tenant.placement.schema}.{table.name} ({names})"
                    f" OVERRIDING SYSTEM VALUE VALUES ({', '.join(['%s'] * len(row))})",
                    *row.values(),
                )

    def _row(self, table: Table, ids: dict[str, UUID]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for column in table.columns:
            if column.computed is None and column.identity is None:
                row[column.name] = self._value(table, column.name, ids)
        return row

    def _value(self, table: Table, name: str, ids: dict[str, UUID]) -> Any:
        declared, held = table.c[name].type, class_of(table, name)
        kind = getattr(declared, "impl", declared)
        length = getattr(declared, "length", None)
        if name in columns_beside(table):
            return None
        if (full_name := f"{table.name}.{name}") in CHOSEN:
            return CHOSEN[full_name]
        if held is not None and held.values:
            return min(held.values)
        match kind:
            case Uuid():
                return str(self._id(table, name, ids))
            case JSONB():
                return orjson.dumps(self._object(name)).decode()
            case ARRAY(item_type=Uuid()):
                return f"{{{uuid4()}}}"
            case ARRAY():
                return [self._marker()]
            case TSVECTOR():
                return f"'{self._marker()}':1"
            case LargeBinary():
                return self._marker(in_bytes=True).encode().ljust(length or 0, b"-")
            case String():
                return self._marker(length)
            case Boolean():
                return False
            case DateTime():
                return dt.datetime.combine(DAY, dt.time(5, 41), dt.UTC)
            case Date():
                return DAY
            case Time():
                return dt.time(9)
        return 3

    def _id(self, table: Table, name: str, ids: dict[str, UUID]) -> UUID:
        if name == "tenant_id":
            return self.tenant.id
        if name == "id":
            return ids[table.name]
        for key in table.foreign_key_constraints:
            if name in key.column_keys:
                return ids[key.referred_table.name]
        return uuid4()

    def _object(self, name: str) -> Any:
        """Return an object of the column's form, and with keys that no rule knows."""
        marker = self._marker
        if name == "replaces":
            return [[marker(), marker()]]
        if name in ("phases", "conditions", "reasons", "types", "fields", "pages"):
            return [marker()]
        keys = {
            "address": ("line", "city", "state", "postal_code", "country"),
            "other_codings": ("system", "code", "display"),
        }.get(name, ())
        found = {key: marker() for key in keys} | {marker(): marker(), "in": [{"a": marker()}]}
        return [found] if name == "other_codings" else found

    def _marker(self, length: int | None = None, *, in_bytes: bool = False) -> str:
        """Return a marker. A short one may be cut, and one in bytes is seen in hexadecimal."""
        marker = f"zq{next(self._numbers):04d}xj"[:length]
        self.markers.add(marker.encode().hex() if in_bytes else marker)
        return marker
