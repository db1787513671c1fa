"""Records of one person: what the source says, what members do, and how both are undone."""

from typing import Any

import pytest

from tests.recruiting.imports.fhir_examples import CONDITION, ENCOUNTER, PATIENT
from tests.recruiting.imports.importing import Importer
from tests.recruiting.imports.writing.test_record_keys import bundle, condition, patient
from tests.recruiting.imports.writing.test_record_versions import deletion

SHOWN = (
    "SELECT patient.source_id, clinical_fact.source_id FROM patient JOIN clinical_fact"
    " ON clinical_fact.patient_id = patient.id ORDER BY 1, 2"
)
STATUS = "SELECT source_id, record_status FROM patient ORDER BY 1"


def replaced(number: int, by: int, **changes: Any) -> dict[str, Any]:
    link = {"other": {"reference": f"Patient/p{by}"}, "type": "replaced-by"}
    return {**patient(number, f"{number}00"), "link": [link], **changes}


FACTS = (condition("Patient/p1", "c1"), condition("Patient/p2", "c2"))


@pytest.mark.parametrize("order", ["1 2 f", "2 1 f", "f 2 1", "1 f 2", "2 f 1"])
@pytest.mark.parametrize("imports", [1, 3])
def test_a_replaced_record_shows_its_facts_at_the_other(
    importer: Importer, order: str, imports: int
) -> None:
    parts = {"1": (patient(1, "100"),), "2": (replaced(2, 1),), "f": FACTS}
    pieces = [parts[name] for name in order.split()]

    if imports == 1:
        importer(*(resource for piece in pieces for resource in piece))
    else:
        for piece in pieces:
            importer(*piece)

    assert importer.query(SHOWN) == [("p1", "c1"), ("p1", "c2")]
    assert importer.query(STATUS) == [("p1", "current"), ("p2", "replaced")]


def test_a_link_that_is_gone_undoes_the_replacement(importer: Importer) -> None:
    importer(patient(1, "100"), replaced(2, 1), *FACTS)

    importer(patient(2, "200"))

    assert importer.query(SHOWN) == [("p1", "c1"), ("p2", "c2")]
    assert importer.query(STATUS) == [("p1", "current"), ("p2", "current")]


def test_a_withdrawn_record_replaces_none(importer: Importer) -> None:
    """Else no record would stand for the person whom a member or the source has merged into it."""
    importer(patient(1, "100"), replaced(2, 1), patient(3, "300"), *FACTS)
    importer.query(
        "UPDATE patient SET merged_by = 'cora', replaced_by_id ="
        " (SELECT id FROM patient WHERE source_id = 'p1') WHERE source_id = 'p3' RETURNING 1"
    )

    importer(bundle(deletion("Patient", "p1")))
    assert importer.query(SHOWN) == [("p1", "c1"), ("p2", "c2")]
    assert importer.query(STATUS) == [("p1", "withdrawn"), ("p2", "current"), ("p3", "current")]

    importer(patient(1, "100"))
    assert importer.query(SHOWN) == [("p1", "c1"), ("p1", "c2")]
    assert importer.query(STATUS) == [("p1", "current"), ("p2", "replaced"), ("p3", "current")]


def test_the_survivor_may_take_over_the_number(importer: Importer) -> None:
    importer(patient(1, "100"), patient(2, "200"))

    job = importer(patient(1, "200"), replaced(2, 1, active=False))

    assert job["error_count"] == 0
    assert importer.query("SELECT source_id, mrn FROM patient ORDER BY 1") == [
        ("p1", "200"),
        ("p2", "200"),
    ]


def test_chains_end_at_the_last_record(importer: Importer) -> None:
    importer(
        replaced(1, 2), replaced(2, 3), patient(3, "300"), *FACTS, condition("Patient/p3", "c3")
    )

    assert importer.query(SHOWN) == [("p3", "c1"), ("p3", "c2"), ("p3", "c3")]

    importer(patient(2, "200"))
    assert importer.query(SHOWN) == [("p2", "c1"), ("p2", "c2"), ("p3", "c3")]


def test_a_circle_or_a_link_to_itself_loses_nobody(importer: Importer) -> None:
    job = importer(replaced(1, 2), replaced(2, 1), replaced(3, 3), *FACTS)

    assert job["error_count"] == 0
    assert [fact for _, fact in importer.query(SHOWN)] == ["c1", "c2"]
    assert ("p3", "current") in importer.query(STATUS)


def test_the_last_encounter_moves_with_the_facts(importer: Importer) -> None:
    last = "SELECT source_id, last_encounter_on IS NOT NULL FROM patient ORDER BY 1"
    importer(patient(1, "100"), patient(2, "200"))
    importer({**ENCOUNTER, "subject": {"reference": "Patient/p2"}})

    importer(replaced(2, 1))
    assert importer.query(last) == [("p1", True), ("p2", False)]

    importer(patient(2, "200"))
    assert importer.query(last) == [("p1", False), ("p2", True)]


def test_later_facts_of_a_replaced_record_go_to_the_other(importer: Importer) -> None:
    importer(patient(1, "100"), replaced(2, 1))

    importer(*FACTS)

    assert importer.query(SHOWN) == [("p1", "c1"), ("p1", "c2")]


def test_inactive_records_are_marked(importer: Importer) -> None:
    importer({**PATIENT, "active": False}, CONDITION)

    assert importer.query(STATUS) == [("p1", "inactive")]


def test_a_batch_of_patients_in_a_database_without_statistics_is_written(
    importer: Importer,
) -> None:
    """PostgreSQL then plans as for an empty table: to compare all with all exceeds its time."""
    job = importer(*(patient(number, f"{number}") for number in range(999)), replaced(999, by=1))

    assert job["counts"]["Patient"]["new"] == 1000
    assert importer.query("SELECT source_id FROM patient WHERE replaced_by_id IS NOT NULL") == [
        ("p999",)
    ]
