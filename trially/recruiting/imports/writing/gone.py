"""Leave out resources that are older than their deletion, or about an erased patient."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, exists, select

from trially.database.rows import Model, of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.fhir.references import is_identifier_key
from trially.recruiting.imports.source_state import SourceState
from trially.recruiting.imports.writing.model import RecordDeletion
from trially.recruiting.imports.writing.resources import TranslatedResource, WriteCounts
from trially.recruiting.imports.writing.upserting import is_newer, run_with_rows
from trially.recruiting.patients.erasures.model import ErasedPatient
from trially.recruiting.sources.server_urls import split_patient_url

_RECORDSET = (
    "json_to_recordset(CAST(:rows AS json)) AS r(base_url text, source_type text,"
    " source_id text, version_at timestamptz, version_number bigint)"
)
_SAME_KEY = (
    "deletion.tenant_id = CAST(:tenant_id AS uuid) AND deletion.source = :source"
    " AND deletion.base_url = r.base_url AND deletion.source_type = r.source_type"
    " AND deletion.source_id = r.source_id"
)
_FIND_DELETED = f"""
SELECT r.base_url, r.source_type, r.source_id FROM {_RECORDSET}
JOIN record_deletion deletion ON {_SAME_KEY}
WHERE {is_newer("deletion", "r")}
"""
_FORGET_DELETIONS = f"""
DELETE FROM record_deletion deletion USING {_RECORDSET}
WHERE {_SAME_KEY} AND {is_newer("deletion", "r")} IS NOT TRUE
"""


def without_gone(
    resources: Sequence[TranslatedResource], source: SourceState, counts: WriteCounts
) -> Sequence[TranslatedResource]:
    """Return the resources that may be written, and count the others."""
    if not resources:
        return resources
    has_deletions, has_erased = db.session.execute(
        select(
            exists().where(of_current_tenant(RecordDeletion), _is_of(RecordDeletion, source)),
            exists().where(of_current_tenant(ErasedPatient), _is_of(ErasedPatient, source)),
        )
    ).one()
    if has_deletions:
        resources = _without_deleted(resources, source, counts)
    if has_erased:
        resources = _without_erased(resources, source, counts)
    return resources


def _without_deleted(
    resources: Sequence[TranslatedResource], source: SourceState, counts: WriteCounts
) -> Sequence[TranslatedResource]:
    rows = [
        {
            **resource.key.columns(),
            "version_at": resource.version.at,
            "version_number": resource.version.number,
        }
        for resource in resources
    ]
    found = run_with_rows(_FIND_DELETED, rows, source=source.name)
    deleted = {(row.source_type, row.base_url, row.source_id) for row in found}
    run_with_rows(_FORGET_DELETIONS, rows, source=source.name)
    for kind, _, _ in deleted:
        counts[kind, "stale"] += 1
    return [resource for resource in resources if tuple(resource.key) not in deleted]


def without_erased_identifiers(
    facts: Sequence[TranslatedResource], source: SourceState, counts: WriteCounts
) -> list[TranslatedResource]:
    """Return the facts that may wait for their patient.

    Those that name the patient by an identifier of an erased one would wait for ever. If another
    patient has the identifier too, the facts do not wait.
    """
    digests = {
        fact.key: source.digest_of_identifier(fact.patient_id)
        for fact in facts
        if is_identifier_key(fact.patient_id)
    }
    erased = _find_erased(digests.values(), source) if digests else frozenset()
    kept = [fact for fact in facts if digests.get(fact.key) not in erased]
    counts.update((fact.type, "erased") for fact in facts if digests.get(fact.key) in erased)
    return kept


def _without_erased(
    resources: Sequence[TranslatedResource], source: SourceState, counts: WriteCounts
) -> Sequence[TranslatedResource]:
    digests = {resource.key: _digest_of_patient(resource, source) for resource in resources}
    erased = _find_erased(filter(None, digests.values()), source)
    kept = []
    for resource in resources:
        if digests[resource.key] in erased:
            counts[resource.type, "erased"] += 1
        else:
            kept.append(resource)
    return kept


def _find_erased(digests: Iterable[bytes], source: SourceState) -> frozenset[bytes]:
    """Return those of these digests that belong to erased patients of the source."""
    table = table_of(ErasedPatient)
    return frozenset(
        db.session.scalars(
            select(table.c.digest).where(
                of_current_tenant(ErasedPatient),
                _is_of(ErasedPatient, source),
                table.c.digest.in_(set(digests)),
            )
        )
    )


def _digest_of_patient(resource: TranslatedResource, source: SourceState) -> bytes | None:
    """Return the digest of the patient that a resource is or is about, if it names one by id."""
    if resource.type == "Patient":
        return source.digest_of(resource.key.base_url, resource.id)
    key = resource.rows[0].get("patient_source_id")
    if key is None or is_identifier_key(key):
        return None
    return source.digest_of(*split_patient_url(key))


def _is_of(model: Model, source: SourceState) -> ColumnElement[bool]:
    return table_of(model).c.source == source.name
