"""Read the charts of some patients: the persons, and their facts that can decide some leaves."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.charts import Chart
from trially.recruiting.criteria.facts import Person
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
    persons = db.session.execute(
        select(*(_patient[name] for name in _COLUMNS)).where(
            of_current_tenant(Patient), _patient.id.in_(patient_ids)
        )
    ).all()
    facts = read_facts(patient_ids, moment, wanted)
    for row in persons:
        yield Chart(Person(*row), facts.get(row.id, ()), moment.days)
