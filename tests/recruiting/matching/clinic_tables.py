"""Writes generated patients into the tables of a tenant."""

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import delete, insert
from uuid_utils.compat import uuid7

from tests.recruiting.matching.generated_clinics import Patient
from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.criteria.facts import Fact
from trially.recruiting.matching.model import MatchFrame, MatchLeaf
from trially.recruiting.patients.model import Patient as StoredPatient
from trially.recruiting.records.model import ClinicalFact, RecordCoding

SURVIVOR = UUID(int=99)
"""The patient by whom replaced ones are replaced. Nothing is known of this one."""

_patient, _fact, _coding = map(table_of, (StoredPatient, ClinicalFact, RecordCoding))
_AN_INSTANT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def fill(patients: Iterable[Patient]) -> None:
    """Empty the current tenant, and write patients."""
    db.session.execute(delete(_patient).where(of_current_tenant(StoredPatient)))
    _write_patient(SURVIVOR, {"source": "survivor"})
    add(patients)


def add(patients: Iterable[Patient]) -> None:
    """Write patients who are not there."""
    for each in patients:
        _write(each)


def remove(numbers: Sequence[int]) -> None:
    """Delete patients and their records."""
    ids = [UUID(int=number) for number in numbers]
    db.session.execute(
        delete(_patient).where(of_current_tenant(StoredPatient), _patient.c.id.in_(ids))
    )


def forget_leaves() -> None:
    """Delete all stored results of leaves."""
    db.session.execute(delete(table_of(MatchLeaf)).where(of_current_tenant(MatchLeaf)))


def forget_frames() -> None:
    """Delete all that matching has stored."""
    forget_leaves()
    db.session.execute(delete(table_of(MatchFrame)).where(of_current_tenant(MatchFrame)))


def _write_patient(patient_id: UUID, columns: dict[str, object]) -> None:
    values = {"tenant_id": current_placement().tenant_id, "id": patient_id, "mrn": str(patient_id)}
    db.session.execute(insert(_patient).values(values | {"source_id": str(patient_id)} | columns))


def _write(patient: Patient) -> None:
    person = patient.person
    state = {
        "inactive": {"active": False},
        "withdrawn": {"withdrawn_at": _AN_INSTANT},
        "replaced": {"replaced_by_id": SURVIVOR},
    }.get(patient.state, {})
    names = [name for name in person._fields if name in _patient.c and name != "record_status"]
    columns = {name: getattr(person, name) for name in names if name != "id"}
    _write_patient(person.id, {"source": "clinic", **columns, **state})
    for fact in patient.facts:
        _write_fact(person.id, fact)


def _write_fact(patient_id: UUID, fact: Fact) -> None:
    tenant_id = current_placement().tenant_id
    columns = fact._asdict()
    columns["source_type"] = fact.source_type or fact.type
    db.session.execute(
        insert(_fact).values(
            {
                "tenant_id": tenant_id,
                "patient_id": patient_id,
                "source_id": str(fact.id),
                "content_hash": b"-",
                **columns,
            }
        )
    )
    for other in fact.other_codings or ():
        coding = {"id": uuid7(), "record_id": fact.id, **other}
        db.session.execute(insert(_coding).values({"tenant_id": tenant_id, **coding}))
