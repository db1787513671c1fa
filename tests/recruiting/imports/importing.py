"""Short ways to import resources into a tenant, and to query it."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.conftest import Member
from tests.recruiting.imports.fhir_examples import make_observation, make_patient
from tests.recruiting.imports.reading.files import bundle
from trially.database.rows import Item
from trially.database.session import db, transaction
from trially.recruiting.imports.import_run import SILENT, Caller
from trially.recruiting.imports.reading.source_files import source_file_from_stream
from trially.recruiting.imports.running import run_import
from trially.tenancy.catalog import Tenant
from trially.tenancy.context import tenant_context

SNAPSHOT = """
SELECT 'patient' AS what, id, xmin::text, clinical_version FROM patient
UNION ALL SELECT 'fact', id, xmin::text, 0 FROM clinical_fact
UNION ALL SELECT 'medication', id, xmin::text, 0 FROM medication
ORDER BY 1, 2
"""


def write_ndjson(*resources: Any) -> bytes:
    return b"".join(
        (line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in resources
    )


@dataclass
class Importer:
    """Imports into one tenant and queries it."""

    app: Flask
    tenant: Tenant

    def __call__(self, *resources: Any, source: str = "fhir", **options: Any) -> Item:
        """Import resources, or raw lines, as one NDJSON file."""
        return self.read(write_ndjson(*resources), source=source, **options)

    def read(
        self,
        *contents: bytes,
        source: str = "fhir",
        progress: Callable[[int], None] = SILENT.progress,
        **options: Any,
    ) -> Item:
        """Import files. `progress` is called after each batch."""
        options["caller"] = Caller(progress=progress)
        source_files = [
            source_file_from_stream(f"{number}.ndjson", io.BytesIO(content))
            for number, content in enumerate(contents, 1)
        ]
        fingerprint = hashlib.sha256(b"".join(contents)).hexdigest()
        with self.app.app_context(), tenant_context(self.tenant.slug):
            return run_import(source_files, source=source, fingerprint=fingerprint, **options)

    def query(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self.app.app_context(), tenant_context(self.tenant.slug), transaction():
            rows = db.session.connection().execute(text(statement), parameters)
            return [tuple(row) for row in rows] if rows.returns_rows else []

    def value(self, statement: str, **parameters: Any) -> Any:
        return self.query(statement, **parameters)[0][0]

    def snapshot(self) -> list[tuple[Any, ...]]:
        """Return a mark of every row. The mark changes when the row is written."""
        return self.query(SNAPSHOT)

    def faults(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT file, line, reason, pointer FROM import_fault ORDER BY id")

    def versions(self) -> dict[str, int]:
        return dict(self.query("SELECT source_id, clinical_version FROM patient"))


NDJSON = write_ndjson(make_patient(1), make_observation(1, 1))
BUNDLE = orjson.dumps(bundle({"resource": make_patient(1)}, {"resource": make_observation(1, 1)}))


def upload(
    member: Member, body: bytes, kind: str = "application/fhir+ndjson", query: str = ""
) -> TestResponse:
    """Upload a file, from the source `fhir` unless `query` names one."""
    named = query if "source=" in query else f"{query or '?'}{'&' if query else ''}source=fhir"
    return member.post(f"/imports{named}", data=body, content_type=kind)
