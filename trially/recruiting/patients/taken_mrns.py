"""MRNs that other patients have."""

from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    bindparam,
    exists,
    or_,
    select,
    text,
    union_all,
)

from trially.database.fixed_statements import FixedStatement
from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_fixed, fetch_items, table_of
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
_patient, _identifier = table_of(Patient).c, table_of(PatientIdentifier).c
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
    tenant_id = current_placement().tenant_id
    if not fetch_fixed(_TAKEN, tenant_id=tenant_id, mrn=mrn, wanted_for=wanted_for):
        return
    detail = "There is a patient with this MRN already."
    may_see = request_state().shows_identifiers
    visible = _visible(mrn, wanted_for) if may_see else []
    extensions = {"patient_id": str(visible[0]["id"])} if visible else {}
    raise Conflict(
        detail,
        code=Code.ALREADY_EXISTS,
        errors=[{"pointer": "/mrn", "detail": detail}],
        extensions=extensions,
    )


def _visible(mrn: str, wanted_for: UUID | None) -> list[Item]:
    """Return the patient who has the MRN, if the caller may see the patient."""
    statement = _first_taken().where(*scope_conditions(SITE_SCOPE))
    tenant_id = current_placement().tenant_id
    return fetch_items(statement, tenant_id=tenant_id, mrn=mrn, wanted_for=wanted_for)


def _first_taken() -> Select[UUID]:
    return (
        select(_patient.id)
        .where(
            _patient.tenant_id == bindparam("tenant_id"),
            or_(*(_patient.record_status == status for status in _USED)),
            _patient.id.in_(_with_mrn()),
            _patient.id.is_distinct_from(bindparam("wanted_for", type_=_patient.id.type)),
        )
        .order_by(_patient.id)
        .limit(1)
    )


def _with_mrn() -> CompoundSelect[UUID]:
    """Return the records with an MRN. A union uses the index of each table; OR would use none."""
    mrn: BindParameter[str] = bindparam("mrn", type_=_patient.mrn.type)
    shown = select(_patient.id).where(
        _patient.tenant_id == bindparam("tenant_id"), _patient.mrn == mrn
    )
    identifier = select(_identifier.patient_id).where(
        _identifier.tenant_id == bindparam("tenant_id"),
        _identifier.value == mrn,
        _identifier.type == "MR",
    )
    return union_all(shown, identifier)


_TAKEN = FixedStatement(_first_taken())
IS_TAKEN: ColumnElement[bool] = exists(
    select(_patient.id).where(
        _patient.tenant_id == bindparam("tenant_id"),
        or_(*(_patient.record_status == status for status in _USED)),
        _patient.id.in_(_with_mrn()),
    )
)
"""The condition that a patient of any source has the MRN of a new one: see `insert_item_unless`."""
