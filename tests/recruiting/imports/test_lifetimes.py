"""Records that are dated outside the patient's life are stored, marked, and not used."""

import itertools
from typing import Any

import pytest
from members import Member

from tests.recruiting.documents.document_examples import attach, make_reference
from tests.recruiting.imports.charts import about, condition, import_more, observation

_sources = (f"life-{number}" for number in itertools.count())

FATHER = {"birthDate": "1961-04-09", "deceasedDateTime": "2019-05-05"}
"""Records of the year after the death count: certificates, autopsies, late results."""


def person(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p", "identifier": [{"value": "L-1"}], **elements}


def visit(visit_id: str, day: str, status: str = "finished") -> dict[str, Any]:
    return about("Encounter", visit_id, status=status, period={"start": f"{day}T10:00:00Z"})


MARKS: list[tuple[dict[str, Any], str | None]] = [
    (condition(onsetDateTime="1955-01-01"), "before_birth"),
    (condition(onsetDateTime="1961-04-07"), "before_birth"),
    (condition(onsetDateTime="1961-04-08T09:00:00Z"), None),  # a day of tolerance
    (condition(onsetDateTime="1961"), None),
    (condition(onsetDateTime="1961-03"), "before_birth"),
    (condition(abatementDateTime="1950"), "before_birth"),
    (condition(recordedDate="1900-01-01"), "before_birth"),
    (condition(onsetAge={"value": 70, "code": "a"}), "after_death"),
    (condition(onsetDateTime="2010", abatementDateTime="2022-01-01"), None),
    (condition(onsetDateTime="2010", recordedDate="2022-01-01"), None),
    (condition(recordedDate="2022-01-01"), None),  # a death may be recorded first
    (observation(effectiveDateTime="2020-05-05T23:00:00-10:00"), None),
    (observation(effectiveDateTime="2020-05-07T01:00:00+00:00"), "after_death"),
    (observation(effectiveDateTime="2021"), "after_death"),
    (observation(effectiveDateTime="2020"), None),
    (visit("e", "2021-06-01"), "after_death"),
    (visit("e", "2021-06-01", "planned"), None),
]


@pytest.mark.parametrize("comes_first", ["the patient", "the record", "both"])
def test_a_record_outside_of_the_life_is_marked(shared_member: Member, comes_first: str) -> None:
    source = next(_sources)
    records = [{**record, "id": f"r{number}"} for number, (record, _) in enumerate(MARKS)]
    batches: dict[str, list[list[dict[str, Any]]]] = {
        "the patient": [[person(**FATHER)], records],
        "the record": [records, [person(**FATHER)]],
        "both": [[*records, person(**FATHER)]],
    }
    for batch in batches[comes_first]:
        chart = import_more(shared_member, source, *batch)

    marks = [chart.record(f"r{number}")["date_problem"] for number in range(len(MARKS))]
    assert marks == [mark for _, mark in MARKS]
    assert all(chart.record(f"r{n}")["at"] is None for n, mark in enumerate(marks) if mark)
    assert chart.patient["last_encounter_on"] is None


def test_a_death_that_is_known_later_marks_and_a_correction_releases(
    shared_member: Member,
) -> None:
    source = next(_sources)
    seen = [visit("e1", "2018-03-01"), visit("e2", "2021-03-01"), condition(onsetDateTime="2021")]
    alive = import_more(shared_member, source, person(birthDate="1961-04-09"), *seen)
    dead = import_more(shared_member, source, person(**FATHER))
    path = f"/patients/{dead.patient['id']}"

    assert alive.patient["last_encounter_on"] == "2021-03-01"
    assert dead.patient["last_encounter_on"] == "2018-03-01"
    assert dead.record("e2")["date_problem"] == dead.record("c")["date_problem"] == "after_death"

    corrected = shared_member.patch(path, json={"deceased": False, "deceased_at": None})
    assert corrected.json["last_encounter_on"] == "2021-03-01"
    assert dead.record("e2")["date_problem"] is None

    again = import_more(shared_member, source, person(**FATHER, gender="male"))
    assert again.patient["sex"] == "male"
    assert again.patient["deceased_on"] is None
    assert again.record("e2")["date_problem"] is None

    released = shared_member.delete(f"{path}/corrections/deceased_at", headers={"If-Match": "*"})
    assert released.json["deceased_on"] == "2019-05-05"
    assert released.json["last_encounter_on"] == "2018-03-01"


def test_a_birth_date_that_is_corrected_marks_again(shared_member: Member) -> None:
    source = next(_sources)
    chart = import_more(
        shared_member, source, person(birthDate="1991"), condition(onsetDateTime="1985-02-02")
    )
    assert chart.record("c")["date_problem"] == "before_birth"

    chart = import_more(shared_member, source, person(birthDate="1981"))
    assert chart.record("c")["date_problem"] is None
    assert chart.record("c")["at_on"] == "1985-02-02"


@pytest.mark.parametrize(
    ("record", "pointer"),
    [
        (condition(recordedDate="2099-01-01"), "/recordedDate"),
        (observation(effectiveDateTime="2099-01-01"), "/effectiveDateTime"),
        (observation(effectiveDateTime=None, effectivePeriod={"start": "2020", "end": "2099"}),
         "/effectivePeriod"),
        (about("Procedure", "x", status="completed", performedPeriod={"end": "2099"}),
         "/performedPeriod"),
        (about("MedicationRequest", "x", status="active", authoredOn="2099-01-01",
               medicationCodeableConcept={"text": "metformin"}), "/authoredOn"),
    ],
)  # fmt: skip
def test_what_has_happened_is_not_in_the_future(
    shared_member: Member, record: dict[str, Any], pointer: str
) -> None:
    source = next(_sources)
    chart = import_more(
        shared_member, source, person(), record, condition("known", onsetDateTime="2012")
    )
    faults = shared_member.get(f"/imports/{chart.job['id']}/errors").json["data"]

    assert chart.record(record["id"])["date_problem"] == "in_future"
    assert chart.ids() == ["known", record["id"]]
    assert [fault["pointer"] for fault in faults] == [pointer]


DOCUMENTS: list[tuple[dict[str, Any], str | None]] = [
    ({"date": "1955-01-01"}, "before_birth"),
    ({"date": "1961-04-08T09:00:00Z"}, None),  # a day of tolerance
    ({"date": "1961"}, None),
    ({"date": "1961-03"}, "before_birth"),
    ({"date": "2010-01-01"}, None),
    ({"date": "2020-05-05T23:00:00-10:00"}, None),
    ({"date": "2020-05-07T01:00:00+00:00"}, "after_death"),
    ({"date": "2021"}, "after_death"),
    ({"date": "1066-10-14"}, "too_early"),
    ({}, None),
]


def show_document_marks(member: Member, patient: dict[str, Any]) -> dict[str, str | None]:
    """Return the mark of each document of a patient, by its id at the source."""
    answer = member.get(f"/patients/{patient['id']}/documents", query_string={"limit": 100})
    return {each["source_id"]: each["date_problem"] for each in answer.json["data"]}


@pytest.mark.parametrize("comes_first", ["the patient", "the document", "both"])
def test_a_document_outside_of_the_life_is_marked(shared_member: Member, comes_first: str) -> None:
    source = next(_sources)
    documents = [
        make_reference(number, attach(f"note {number}"), subject={"reference": "Patient/p"}, **more)
        for number, (more, _) in enumerate(DOCUMENTS)
    ]
    batches: dict[str, list[list[dict[str, Any]]]] = {
        "the patient": [[person(**FATHER)], documents],
        "the document": [documents, [person(**FATHER)]],
        "both": [[*documents, person(**FATHER)]],
    }
    for batch in batches[comes_first]:
        chart = import_more(shared_member, source, *batch)

    assert show_document_marks(shared_member, chart.patient) == {
        f"d{number}": mark for number, (_, mark) in enumerate(DOCUMENTS)
    }
    listed = list(show_document_marks(shared_member, chart.patient).values())
    usable = sum("date" in more and mark is None for more, mark in DOCUMENTS)
    assert listed[:usable] == [None] * usable  # all others are listed as if they had no date


def test_a_document_is_marked_again_when_birth_or_death_change(shared_member: Member) -> None:
    source = next(_sources)
    letters = [
        make_reference(number, attach("note"), subject={"reference": "Patient/p"}, date=day)
        for number, day in enumerate(["1955-01-01", "1991-01-01", "2022-01-01"])
    ]
    chart = import_more(shared_member, source, person(birthDate="1961-04-09"), *letters)
    marks = [show_document_marks(shared_member, chart.patient)]

    import_more(shared_member, source, person(**FATHER))
    marks.append(show_document_marks(shared_member, chart.patient))
    path = f"/patients/{chart.patient['id']}"
    shared_member.patch(
        path, json={"birth_date": "1950-02-03", "deceased": False, "deceased_at": None}
    )
    marks.append(show_document_marks(shared_member, chart.patient))
    letters[0]["date"] = "1940-01-01"
    import_more(shared_member, source, *letters)
    marks.append(show_document_marks(shared_member, chart.patient))

    assert [list(dict(sorted(each.items())).values()) for each in marks] == [
        ["before_birth", None, None],
        ["before_birth", None, "after_death"],
        [None, None, None],
        ["before_birth", None, None],
    ]
