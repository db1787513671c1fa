"""What is known of patients: which MRNs are taken, and which patients were erased."""

from uuid import UUID

from sqlalchemy import Select, insert, or_, select
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_items, find_item, of_current_tenant, table_of
from trially.database.session import db
from trially.http.codes import Code
from trially.http.problems import Conflict
from trially.recruiting.patients.model import (
    ErasedPatient,
    Patient,
    PatientIdentifier,
    RecordStatus,
)
from trially.recruiting.sources.erasure import erasure_digest
from trially.recruiting.sources.model import MANUAL_SOURCE, RecordSource
from trially.resources.scope import of_site, scope_conditions

SITE_SCOPE = of_site(table_of(Patient).c.site_id)
_USED = (RecordStatus.CURRENT.value, RecordStatus.INACTIVE.value)


def refuse_taken_mrn(mrn: str) -> None:
    """Answer 409 if a patient of any source has this MRN, and name the patient if possible."""
    statement = (
        select(Patient.id)
        .where(
            of_current_tenant(Patient),
            Patient.record_status.in_(_USED),
            or_(Patient.mrn == mrn, Patient.id.in_(_with_identifier(mrn))),
        )
        .order_by(Patient.id)
        .limit(1)
    )
    if not fetch_items(statement):
        return
    detail = "There is a patient with this MRN already."
    visible = fetch_items(statement.where(*scope_conditions(SITE_SCOPE)))
    extensions = {"patient_id": str(visible[0]["id"])} if visible else {}
    raise Conflict(
        detail,
        code=Code.ALREADY_EXISTS,
        errors=[{"pointer": "/mrn", "detail": detail}],
        extensions=extensions,
    )


KEY = ("source", "base_url", "source_id")


def find_key(patient_id: UUID) -> Item | None:
    """Return the key of a patient's record at its source."""
    return find_item(Patient, patient_id, KEY)


def remember_erased(key: Item | None, by: str) -> None:
    """Store a digest of an imported patient's key, so that no import brings the patient back."""
    if key is None or key["source"] == MANUAL_SOURCE:
        return
    source = table_of(RecordSource).c
    [row] = fetch_items(
        select(source.erasure_salt).where(
            of_current_tenant(RecordSource), source.name == key["source"]
        )
    )
    digest = erasure_digest(bytes(row["erasure_salt"]), key["base_url"], key["source_id"])
    db.session.execute(
        insert(table_of(ErasedPatient)).values(
            tenant_id=current_placement().tenant_id,
            id=uuid7(),
            source=key["source"],
            digest=digest,
            erased_by=by,
        )
    )


def _with_identifier(mrn: str) -> Select[UUID]:
    return select(PatientIdentifier.patient_id).where(
        of_current_tenant(PatientIdentifier),
        PatientIdentifier.value == mrn,
        PatientIdentifier.type == "MR",
    )
