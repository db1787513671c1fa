"""Facts and persons of criteria have the columns and words of the tables."""

from trially.database.rows import table_of
from trially.recruiting.criteria.facts import VISITED, Fact, Person
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.visits import VISITED_STATUSES
from trially.recruiting.records.model import ClinicalFact


def test_facts_and_persons_are_columns() -> None:
    assert set(Fact._fields) <= set(table_of(ClinicalFact).c.keys())
    of_person = set(Person._fields) - {"enrollments", "place"}
    assert of_person <= set(table_of(Patient).c.keys())


def test_visits_are_those_of_patients() -> None:
    assert VISITED == VISITED_STATUSES
