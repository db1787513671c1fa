"""Read what an export writes, from one snapshot of the tenant's rows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from psycopg2 import sql

from trially.database.placement import current_placement
from trially.database.rows import Item, table_of
from trially.database.sealed_rows import open_row, open_rows
from trially.database.snapshots import Snapshot
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.patients.model import Patient
from trially.recruiting.search.model import PatientName

DOCUMENTS_AT_A_TIME = 20
"""A document may have megabytes of text."""

_SOURCES = """
SELECT source FROM (
    SELECT source FROM patient WHERE tenant_id = {tenant} AND {people}
    UNION SELECT source FROM clinical_fact WHERE tenant_id = {tenant} AND {about}
    UNION SELECT source FROM document WHERE tenant_id = {tenant} AND {about}
) AS sources ORDER BY source
"""
_PATIENTS = """
SELECT patient.*,
    (SELECT coalesce(jsonb_agg(to_jsonb(n) ORDER BY n.position), '[]') FROM patient_name n
        WHERE n.tenant_id = {tenant} AND n.patient_id = patient.id) AS names,
    (SELECT coalesce(jsonb_agg(to_jsonb(i) ORDER BY i.id), '[]') FROM patient_identifier i
        WHERE i.tenant_id = {tenant} AND i.patient_id = patient.id) AS identifiers
FROM patient
WHERE tenant_id = {tenant} AND source = %s AND withdrawn_at IS NULL AND {people}
ORDER BY base_url, source_id
"""
_OF_PATIENT = """
SELECT {table}.*, patient.source_id AS patient_source_id, patient.base_url AS patient_base_url{more}
FROM {table} JOIN patient ON patient.tenant_id = {tenant}
    AND patient.id = coalesce({table}.recorded_patient_id, {table}.patient_id)
WHERE {table}.tenant_id = {tenant} AND {table}.source = %s
    AND {table}.withdrawn_at IS NULL AND {about}
"""
_FACTS = _OF_PATIENT + (
    " AND clinical_fact.source_type = ANY (%s)"
    " ORDER BY clinical_fact.base_url, clinical_fact.source_id, clinical_fact.source_type,"
    " clinical_fact.component"
)
_DOCUMENTS = _OF_PATIENT + (
    " AND document.source_type = ANY (%s)"
    " ORDER BY document.base_url, document.source_id, document.source_type"
)
_PAGES = """,
    (SELECT coalesce(jsonb_agg(content ORDER BY number), '[]') FROM document_page
        WHERE document_page.tenant_id = {tenant} AND document_id = document.id) AS pages"""
_MEDICATIONS = """
SELECT * FROM medication WHERE tenant_id = {tenant} AND source = %s AND {used}
ORDER BY base_url, source_id
"""
_USED = """source_id IN (SELECT medication_source_id FROM clinical_fact
    WHERE tenant_id = {tenant} AND {about})"""


@dataclass(frozen=True)
class Reader:
    """Reads one snapshot: of the whole tenant, or of the records about one person."""

    snapshot: Snapshot
    patient_ids: Collection[UUID] | None = None
    """The records about the person; None for the whole tenant."""

    def sources(self) -> list[str]:
        """Return the names of the sources of patients, facts and documents, in order."""
        return [row["source"] for row in self.snapshot.rows(self._composed(_SOURCES))]

    def patients(self, source: str) -> Iterator[Item]:
        """Yield the patients of a source, each with its `names` and `identifiers`."""
        for row in self.snapshot.rows(self._composed(_PATIENTS), source):
            yield {
                **open_row(table_of(Patient), row),
                "names": open_rows(table_of(PatientName), row["names"]),
                "identifiers": open_rows(table_of(PatientIdentifier), row["identifiers"]),
            }

    def facts(self, source: str, kinds: list[str]) -> Iterator[list[Item]]:
        """Yield the facts of each resource of these types: its own, then those of components."""
        rows = self.snapshot.rows(self._of("clinical_fact", _FACTS), source, kinds)
        for _, facts in groupby(rows, itemgetter("base_url", "source_type", "source_id")):
            yield list(facts)

    def documents(self, source: str, kinds: list[str]) -> Iterator[Item]:
        """Yield the documents of these types, each with its `pages`."""
        statement = self._of("document", _DOCUMENTS, _PAGES)
        return self.snapshot.rows(statement, source, kinds, at_a_time=DOCUMENTS_AT_A_TIME)

    def medications(self, source: str) -> Iterator[Item]:
        """Yield the Medications of a source; those of a person are the ones that facts name."""
        used = sql.SQL("true") if self.patient_ids is None else self._composed(_USED)
        statement = sql.SQL(_MEDICATIONS).format(tenant=self.tenant, used=used)
        return self.snapshot.rows(statement, source)

    @property
    def tenant(self) -> sql.Composable:
        """The current tenant's id."""
        return sql.Literal(str(current_placement().tenant_id))

    def is_one_of(self, *columns: sql.Composable) -> sql.Composable:
        """Return the condition that a column has the id of one of the person's records."""
        if self.patient_ids is None:
            return sql.SQL("true")
        ids = sql.Literal([str(each) for each in self.patient_ids])
        conditions = [sql.SQL("{} = ANY ({}::uuid[])").format(each, ids) for each in columns]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(conditions))

    def _composed(self, statement: str) -> sql.Composable:
        return sql.SQL(statement).format(
            tenant=self.tenant,
            people=self.is_one_of(sql.Identifier("id")),
            about=self.is_one_of(
                sql.Identifier("patient_id"), sql.Identifier("recorded_patient_id")
            ),
        )

    def _of(self, table: str, statement: str, more: str = "") -> sql.Composable:
        return sql.SQL(statement).format(
            table=sql.Identifier(table),
            tenant=self.tenant,
            more=sql.SQL(more).format(tenant=self.tenant),
            about=self.is_one_of(
                sql.Identifier(table, "patient_id"), sql.Identifier(table, "recorded_patient_id")
            ),
        )
