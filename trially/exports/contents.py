"""Write a whole export: what was asked for, from one snapshot, and the manifest."""

import datetime as dt
from collections.abc import Collection
from enum import StrEnum
from typing import Any

from trially.database.placement import current_placement
from trially.database.snapshots import snapshot
from trially.exports.audit_files import write_audit
from trially.exports.document_files import write_documents
from trially.exports.fhir_files import Check, write_fhir
from trially.exports.packages import Package, Target
from trially.exports.reading import Reader
from trially.exports.tables import LEFT_OUT, write_tables
from trially.tenancy.context import current_tenant
from trially.version import VERSION

FORMAT = "trially-export 1"


class Part(StrEnum):
    """A part of an export."""

    FHIR = "fhir"
    """FHIR R4 NDJSON: patients, records and documents."""

    CSV = "csv"
    """All tables, with a dictionary."""

    AUDIT = "audit"
    """The audit log, with its seals."""

    FILES = "files"
    """The texts of documents."""


ALL_PARTS = tuple(Part)

LONGEST_SECONDS = 4 * 3600
"""How long a statement of an export may take, and how long its transaction may wait meanwhile."""


def write_tenant(target: Target, parts: Collection[Part], check: Check) -> dict[str, Any]:
    """Write an export of the current tenant, and return its manifest.

    It reads in its own transaction, which the caller commits with the record of the export.
    """
    tenant = current_tenant()
    with snapshot(LONGEST_SECONDS) as taken:
        package = Package(
            target,
            {
                "format": FORMAT,
                "trially": VERSION,
                "revision": current_placement().revision,
                "tenant": {"id": str(tenant.tenant_id), "slug": tenant.slug, "name": tenant.name},
                "exported_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "parts": [part.value for part in ALL_PARTS if part in parts],
                "fhir_version": "4.0.1",
            },
        )
        reader = Reader(taken)
        if Part.FHIR in parts:
            write_fhir(package, reader, check)
        if Part.CSV in parts:
            package.header["tables_left_out"] = LEFT_OUT
            write_tables(package, reader)
        if Part.FILES in parts:
            write_documents(package, reader, check)
        if Part.AUDIT in parts:  # last, because it changes how the session writes times
            write_audit(package, reader)
        return package.write_manifest()
