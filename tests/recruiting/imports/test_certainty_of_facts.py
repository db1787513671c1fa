"""No record is read as its opposite: negations, refutations, proposals, and other subjects."""

from typing import Any

import pytest
from members import Member

from tests.recruiting.imports.charts import about, condition, drug, observation, take_in
from tests.recruiting.imports.fhir_examples import concept

APPENDECTOMY = concept("http://snomed.info/sct", "174041007", "Appendectomy")
VACCINE = concept("http://hl7.org/fhir/sid/cvx", "207", "COVID-19")
PENICILLIN = concept("http://www.nlm.nih.gov/research/umls/rxnorm", "7984", "penicillin")
METFORMIN = concept("http://www.nlm.nih.gov/research/umls/rxnorm", "6809", "metformin")
OF_R5 = {"meta": {"profile": ["http://hl7.org/fhir/5.0/StructureDefinition/Condition"]}}
OF_STU3 = {"meta": {"profile": ["http://hl7.org/fhir/3.0/StructureDefinition/Condition"]}}


def procedure(**elements: Any) -> dict[str, Any]:
    return about("Procedure", "x", **{"status": "completed", "code": APPENDECTOMY, **elements})


def vaccination(**elements: Any) -> dict[str, Any]:
    return about("Immunization", "x", status="completed", vaccineCode=VACCINE, **elements)


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        (procedure(notDone=True), "not-done"),
        (procedure(notPerformed=True), "not-done"),
        (procedure(notDone="true"), "not-done"),
        (procedure(status="not-done"), "not-done"),
        (vaccination(notGiven=True, date="2021-04-01"), "not-done"),
        (vaccination(wasNotGiven=True, date="2021-04-01"), "not-done"),
        (drug("MedicationStatement", "x", taken="n"), "not-taken"),
        (drug("MedicationStatement", "x", wasNotTaken=True), "not-taken"),
        (drug("MedicationStatement", "x", status="not-taken"), "not-taken"),
        (drug("MedicationStatement", "x", adherence={"code": concept("http://x", "not-taking")}),
         "not-taken"),
        (drug("MedicationAdministration", "x", notGiven=True), "not-done"),
        (drug("MedicationAdministration", "x", wasNotGiven=True), "not-done"),
        (drug("MedicationDispense", "x", notDone=True), "declined"),
    ],
)  # fmt: skip
def test_what_was_not_done_is_marked(
    shared_member: Member, resource: dict[str, Any], status: str
) -> None:
    chart = take_in(shared_member, resource, condition())

    event = chart.event("x")
    assert (event["negated"], event["status"]) == (True, status)
    assert chart.ids(negated="true") == ["x"]
    assert chart.ids(negated="false") == ["c"]
    assert [each["negated"] for each in chart.timeline(negated="false")] == [False]


@pytest.mark.parametrize(
    "resource",
    [
        procedure(notDone=False),
        vaccination(notGiven=False, date="2021-04-01"),
        drug("MedicationStatement", "x", taken="y"),
        drug("MedicationStatement", "x", wasNotTaken=False),
    ],
)
def test_what_was_done_is_not_marked(shared_member: Member, resource: dict[str, Any]) -> None:
    event = take_in(shared_member, resource).event("x")

    assert (event["negated"], event["status"]) == (False, resource["status"])


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (procedure(notDone="perhaps"), "Procedure.notDone is not true or false."),
        (drug("MedicationStatement", "x", taken="?"),
         "MedicationStatement.taken is not one of y, n, unk, na."),
        (drug("MedicationRequest", "x", doNotPerform=1),
         "MedicationRequest.doNotPerform is not true or false."),
        (procedure(modifierExtension=[{"url": "urn:refused"}]),
         "Procedure.modifierExtension may change what the resource means."),
        (procedure(notDone=True, notPerformed=True),
         "Procedure mixes elements of different FHIR versions (DSTU2, STU3)."),
        (procedure(notDone=True, occurrenceDateTime="2020"),
         "Procedure mixes elements of different FHIR versions (R5, STU3)."),
        (condition("x", **OF_R5, assertedDate="2020"),
         "Condition mixes elements of different FHIR versions (STU3, R5 by its profile)."),
        (condition("x", fhirVersion="0.0.82"),
         "Condition.fhirVersion is FHIR 0.0; DSTU2, STU3, R4, R4B and R5 are supported."),
        (condition("x", subject=None, assertedDate="2020"),
         "Condition.subject is missing (FHIR STU3)."),
    ],
)  # fmt: skip
def test_what_may_mean_the_opposite_is_refused(
    shared_member: Member, resource: dict[str, Any], reason: str
) -> None:
    chart = take_in(shared_member, resource)

    assert chart.records() == []
    assert reason in chart.reasons


def test_statuses_that_cannot_be_read_are_unknown(shared_member: Member) -> None:
    chart = take_in(
        shared_member,
        condition("c", verificationStatus={"coding": [{"code": 5}]}),
        condition("w", verificationStatus={"text": "Refuted"}),
        observation("o", status=["final", "amended"]),
    )

    assert chart.event("c")["verification_status"] == "unknown"
    assert chart.event("w")["verification_status"] == "refuted"
    assert chart.event("o")["status"] == "unknown"
    assert chart.job["error_count"] == 2


def test_refuted_and_proposed_look_like_that(shared_member: Member) -> None:
    refuted = condition("r", verificationStatus=concept("http://hl7.org/x", "refuted"))
    chart = take_in(
        shared_member,
        refuted,
        condition("c"),
        drug("MedicationRequest", "p", intent="proposal"),
        drug("MedicationRequest", "o", intent="order", category=[concept("http://x", "community")]),
    )

    assert chart.event("r")["verification_status"] == "refuted"
    assert chart.event("p")["intent"] == "proposal"
    assert chart.ids(verification_status="confirmed") == ["c"]
    assert chart.ids(intent="proposal") == ["p"]
    assert [event["intent"] for event in chart.timeline(intent="order")] == ["order"]
    assert chart.record("o")["category"] == "community"


@pytest.mark.parametrize(
    ("focus", "shown"),
    [
        ([{"reference": "RelatedPerson/baby"}], "RelatedPerson"),
        ([{"reference": "Patient/other", "display": "Donor"}], "Donor"),
        ([{"identifier": {"value": "1"}}], "unknown"),
        ([{"reference": "Patient/p"}], None),
    ],
)
def test_observations_of_others_are_marked(
    shared_member: Member, focus: list[Any], shown: str | None
) -> None:
    pressure = {"component": [{"code": concept("http://loinc.org", "8480-6"), "valueInteger": 1}]}
    chart = take_in(shared_member, observation("x", focus=focus, **pressure))

    assert {(each["focus"], each["has_focus"]) for each in chart.timeline()} == {
        (shown, shown is not None)
    }
    assert len(chart.records(has_focus="false")) == (0 if shown else 2)


OLDER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        condition("x", subject=None, patient={"reference": "Patient/p"}, clinicalStatus="active",
                  verificationStatus="confirmed", onsetDateTime="2014-01-01",
                  dateRecorded="2014-02-01"),
        {"code": "44054006", "clinical_status": "active", "at_on": "2014-01-01"},
    ),
    (
        {"resourceType": "MedicationOrder", "id": "x", "status": "active",
         "patient": {"reference": "Patient/p"}, "medicationCodeableConcept": METFORMIN,
         "dateWritten": "2014-01-01", "dateEnded": "2014-03-01"},
        {"display": "metformin", "intent": "order", "at_on": "2014-01-01", "end_on": "2014-03-01"},
    ),
    (
        {"resourceType": "Encounter", "id": "x", "status": "finished", "class": "outpatient",
         "patient": {"reference": "Patient/p"}, "period": {"start": "2014-01-01"}},
        {"category": "outpatient", "at_on": "2014-01-01"},
    ),
    (
        about("AllergyIntolerance", "x", status="active", substance=PENICILLIN, criticality="CRITH",
              onset="2014-01-01", category="medication"),
        {"display": "penicillin", "clinical_status": "active", "criticality": "high",
         "at_on": "2014-01-01", "category": "medication"},
    ),
    (
        about("AllergyIntolerance", "x", status="refuted", substance=PENICILLIN),
        {"clinical_status": None, "verification_status": "refuted"},
    ),
    (
        about("Encounter", "x", status="completed", actualPeriod={"start": "2014-01-01"},
              **{"class": [concept("http://x", "AMB", "ambulatory")]},
              reason=[{"value": [{"concept": {"text": "cough"}}]}]),
        {"category": "AMB", "at_on": "2014-01-01"},
    ),
    (
        procedure(status="completed", occurrencePeriod={"start": "2014-01-01"},
                  reason=[{"concept": {"text": "pain"}}]),
        {"at_on": "2014-01-01"},
    ),
    (
        {**drug("MedicationStatement", "x", status="recorded", effectiveDateTime="2014-01-01"),
         "medicationCodeableConcept": None, "medication": {"concept": METFORMIN}},
        {"display": "metformin", "at_on": "2014-01-01", "status": "recorded"},
    ),
    (
        {**drug("MedicationAdministration", "x", status="completed",
                occurenceDateTime="2014-01-01"),
         "medicationCodeableConcept": None, "medication": {"concept": METFORMIN}},
        {"display": "metformin", "at_on": "2014-01-01"},
    ),
    (
        observation("x", **OF_STU3, comment="haemolysed", interpretation=concept("http://x", "H")),
        {"interpretation": "H"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), OLDER)
def test_other_versions_are_translated(
    shared_member: Member, resource: dict[str, Any], expected: dict[str, Any]
) -> None:
    chart = take_in(shared_member, {**resource, "fhirVersion": resource.get("fhirVersion")})

    record = chart.record("x")
    assert {name: record[name] for name in expected} == expected
    assert chart.job["error_count"] == 0
