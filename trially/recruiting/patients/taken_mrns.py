"""MRNs that other patients have."""

from uuid import UUID

from sqlalchemy import CompoundSelect, select, text, union_all

from trially.database.rows import fetch_items, of_current_tenant, table_of
from trially.database.session import db
from trially.http.codes import Code
from trially.http.problems import Conflict
from trially.recruiting.patients.choices import RecordStatus
from trially.recruiting.patients.identifiers.model import PatientIdentifier
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.settling import settle_found_by
from trially.request_state import request_state
from trially.resources.scope import of_site, scope_conditions

SITE_SCOPE = of_site(table_of(Patient).c.site_id)
_UNIQUE = "uq_patient_tenant_id_source_mrn_scope_mrn"
_USED = (RecordStatus.CURRENT.value, RecordStatus.INACTIVE.value)


def defer_mrns() -> None:
    """Let the transaction give one MRN to two patients, until it ends or `check_deferred_mrns`."""
    db.session.execute(text(f"SET CONSTRAINTS {_UNIQUE} DEFERRED"))


def check_deferred_mrns() -> None:
    """Fail if two patients of the transaction have one MRN."""
    db.session.execute(text(f"SET CONSTRAINTS {_UNIQUE} IMMEDIATE"))


def refuse_taken_mrn(mrn: str, wanted_for: UUID | None = None) -> None:
    """Answer 409 if a patient of any source, other than `wanted_for`, has this MRN.

    It names the patient if the caller may see both the patient and MRNs.
    """
    settle_found_by([mrn])
    statement = (
        select(Patient.id)
        .where(
            of_current_tenant(Patient),
            Patient.record_status.in_(_USED),
            Patient.id.in_(_with_mrn(mrn)),
        )
        .order_by(Patient.id)
        .limit(1)
    )
    if wanted_for is not None:
        statement = statement.where(Patient.id != wanted_for)
    if not fetch_items(statement):
        return
    detail = "There is a patient with this MRN already."
    may_see = request_state().shows_identifiers
    visible = fetch_items(statement.where(*scope_conditions(SITE_SCOPE))) if may_see else []
    extensions = {"patient_id": str(visible[0]["id"])} if visible else {}
    raise Conflict(
        detail,
        code=Code.ALREADY_EXISTS,
        errors=[{"pointer": "/mrn", "detail": detail}],
        extensions=extensions,
    )


def _with_mrn(mrn: str) -> CompoundSelect[UUID]:
    """Return the records with an MRN. A union uses the index of each table; OR would use none."""
    shown = select(Patient.id).where(of_current_tenant(Patient), Patient.mrn == mrn)
    identifier = select(PatientIdentifier.patient_id).where(
        of_current_tenant(PatientIdentifier),
        PatientIdentifier.value == mrn,
        PatientIdentifier.type == "MR",
    )
    return union_all(shown, identifier)
