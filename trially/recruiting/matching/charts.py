"""Read the charts of some patients: the persons, and their facts that can decide some leaves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import null, select

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.geolocation import MOST_DEGREES
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.facts import Person, Place
from trially.recruiting.matching.deciding import Wanted
from trially.recruiting.matching.facts import read_facts
from trially.recruiting.patients.model import Patient

_patient = table_of(Patient).c

_COLUMNS = (
    *("id", "birth_date", "birth_date_precision", "sex", "deceased", "deceased_at"),
    *("deceased_on", "deceased_precision", "record_status"),
)


def read_charts(patient_ids: Sequence[UUID], moment: Moment, wanted: Wanted) -> Iterator[Chart]:
    """Yield the charts of some patients of the current tenant, for a moment and later ones."""
    address = _patient.address if wanted.place else null()
    persons = db.session.execute(
        select(*(_patient[name] for name in _COLUMNS), address).where(
            of_current_tenant(Patient), _patient.id.in_(patient_ids)
        )
    ).all()
    facts = read_facts(patient_ids, moment, wanted)
    for *values, address in persons:
        person = Person(*values)._replace(place=place_of(address))
        yield Chart(person, facts.get(person.id, ()), moment.days)


def place_of(address: Mapping[str, Any] | None) -> Place | None:
    """Return where an address is, if it says so."""
    found = [(address or {}).get(name) for name in MOST_DEGREES]
    if not all(isinstance(each, int | float) for each in found):
        return None
    return Place(*map(float, found))  # type: ignore[arg-type]
