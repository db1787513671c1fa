"""A bad element loses only itself, and what criteria and people need is kept."""

from typing import Any

import pytest
from members import AsMember, Member

from tests.recruiting.imports.charts import (
    about,
    condition,
    drug,
    import_more,
    observation,
    take_in,
)
from tests.recruiting.imports.fhir_examples import concept

SNOMED, LOINC, RXNORM = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"


def value(record: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(record[name] for name in names)


@pytest.mark.parametrize(
    ("elements", "faults"),
    [
        ({"birthDate": "1980-02-30"}, ["Patient.birthDate is not a date."]),
        ({"deceasedBoolean": "true"}, ["Patient.deceasedBoolean is not true or false."]),
        ({"active": 7}, ["Patient.active is not true or false."]),
        ({"identifier": [{"value": "9" * 200}]},
         ["Patient.identifier.value is longer than 128 characters."]),
        ({"gender": "Male", "name": 5, "telecom": "x", "address": [3]},
         ["Patient.name is not a list.", "Patient.telecom is not a list."]),
        ({"gender": "M"}, ["Patient.gender is not one of female, male, other, unknown."]),
        ({"birthDate": None, "_birthDate": {"extension": []}, "name": [{"_family": {}}]}, []),
    ],
)  # fmt: skip
def test_a_bad_element_loses_neither_the_patient_nor_the_facts(
    shared_member: Member, elements: dict[str, Any], faults: list[str]
) -> None:
    chart = take_in(shared_member, condition(), **elements)

    assert chart.ids() == ["c"]
    assert chart.reasons == faults
    assert chart.patient["deceased"] is (elements.get("deceasedBoolean") == "true")


def test_a_bad_component_loses_only_itself(shared_member: Member) -> None:
    components = [
        {"code": concept(LOINC, "8480-6"), "valueQuantity": {"value": 121, "code": "mm[Hg]"}},
        {"code": concept(LOINC, "8462-4"), "dataAbsentReason": concept(None, "unknown")},
        {"valueQuantity": {"value": 3}},
        "junk",
        {"code": concept(LOINC, "8867-4"), "valueQuantity": {"value": "many"}},
    ]
    chart = take_in(shared_member, observation("x", component=components))

    shown = {each["component"]: each["value_number"] for each in chart.records()}
    assert shown == {0: None, 1: 121, 2: None, 5: None}
    assert chart.reasons == [
        "Observation.component[2].code is missing.",
        "Observation.component[3] is not an object.",
        "Observation.component[4].valueQuantity.value is not a number.",
    ]


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"valueQuantity": {"value": 7.2}}, (7.2, None, None, None)),
        ({"valueQuantity": {"value": 7.3, "unit": "percent"}}, (7.3, "percent", None, None)),
        ({"valueQuantity": {"value": 7.5, "unit": "%", "system": SNOMED, "code": "415067009"}},
         (7.5, "%", None, None)),
        ({"valueString": "<5"}, (None, None, None, "<5")),
        ({"valueString": "7.2"}, (None, None, None, "7.2")),
        ({"valueQuantity": {"comparator": "<", "value": 0.01}}, (0.01, None, "<", None)),
        ({"valueQuantity": {"comparator": "ad", "value": 5, "unit": "mg"}},
         (None, None, None, "ad 5 mg")),
        ({"valueQuantity": {"comparator": ["<"], "value": 5}}, (5, None, "<", None)),
        ({"valueQuantity": {"comparator": "≤", "value": 5}}, (5, None, "<=", None)),
        ({"valueQuantity": {"comparator": {"<": 1}, "value": 5}}, (None, None, None, "? 5")),
        ({"valueQuantity": {"value": "<5", "unit": "mg"}}, (None, None, None, "<5 mg")),
        ({"valueQuantity": {"value": "NaN", "unit": "mg"}}, (None, "mg", None, None)),
        ({"valueQuantity": {"unit": "%"}}, (None, "%", None, None)),
        ({"valueInteger": 0}, (0, None, None, None)),
        ({"valueSampledData": {"data": "1 2 3"}}, (None, None, None, None)),
        ({"valueCodeableConcept": {"text": "Negative"}}, (None, None, None, "Negative")),
    ],
)  # fmt: skip
def test_each_observation_is_kept_with_its_value(
    shared_member: Member, elements: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    chart = take_in(shared_member, observation("x", **elements))

    names = ("value_number", "unit", "comparator", "value_text")
    assert value(chart.record("x"), *names) == expected
    unread = ("'ad'", "Sampled", "{'<'", "'value': '<5'", "NaN")
    is_left_out = any(word in str(elements) for word in unread)
    assert chart.job["error_count"] == int(is_left_out)


@pytest.mark.parametrize(
    ("number", "decimal"),
    [
        (9007199254740993, "9007199254740993"),
        (0.1, "0.1"),
        (1e-3, "0.001"),
        (-0.0, "0.0"),
        (1.2345678901234568e29, "123456789012345680000000000000"),
        (1e300, None),
    ],
)
def test_numbers_are_not_rounded(shared_member: Member, number: float, decimal: str | None) -> None:
    record = take_in(shared_member, observation("x", valueQuantity={"value": number})).record("x")

    assert record["value_number"] == pytest.approx(number, rel=1e-15)
    if isinstance(number, int) and number < 2**63:
        assert record["value_number"] == number
    if decimal is not None:
        assert record["value_decimal"].lstrip("-") == decimal


def test_reference_ranges_and_flags_are_kept(shared_member: Member) -> None:
    high = concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "H")
    chart = take_in(
        shared_member,
        observation(
            "ast",
            valueQuantity={"value": 130, "unit": "U/L"},
            referenceRange=[{"low": {"value": 8}, "high": {"value": 40, "unit": "U/L"}}],
            interpretation=[high],
        ),
        observation(
            "many",
            referenceRange=[
                {"high": {"value": 90}, "type": concept(None, "treatment")},
                {"high": {"value": 40}, "type": concept(None, "normal"), "text": "to 40"},
            ],
        ),
        observation("text", referenceRange=[{"text": "negative"}], interpretation=[{"text": "ok"}]),
        observation("bad", referenceRange=[{"high": {"value": "much"}}]),
    )

    names = ("reference_low", "reference_high", "reference_text", "interpretation")
    assert value(chart.record("ast"), *names) == (8, 40, None, "H")
    assert chart.event("ast")["interpretation"] == "H"
    assert value(chart.record("many"), *names) == (None, 40, "to 40", None)
    assert len(chart.record("many")["details"]["reference_ranges"]) == 2
    assert value(chart.record("text"), *names)[:3] == (None, None, "negative")
    assert value(chart.record("bad"), *names) == (None, None, None, None)


def test_stages_sites_and_severity_are_kept(shared_member: Member) -> None:
    stage = {"coding": [{"system": SNOMED, "code": "258219007", "display": "Stage 2"}]}
    record = take_in(
        shared_member,
        condition(
            bodySite=[concept(SNOMED, "80248007", "Left breast")],
            stage=[{"summary": {**stage, "text": "Stage IIA"}, "type": {"text": "clinical"}}],
            severity=concept(SNOMED, "24484000", "Severe"),
            note=[{"text": "Seen\nagain"}],
        ),
    ).record("c")

    details = record["details"]
    assert details["body_site"][0]["code"] == "80248007"
    assert (details["stage"][0]["text"], details["stage"][0]["type"]) == ("Stage IIA", "clinical")
    assert details["severity"]["display"] == "Severe"
    assert details["note"] == ["Seen\nagain"]


def test_facts_without_a_code_are_kept(shared_member: Member) -> None:
    reaction = {
        "substance": concept(RXNORM, "7984", "penicillin"),
        "manifestation": [concept(SNOMED, "247472004", "Hives")],
        "severity": "severe",
    }
    chart = take_in(
        shared_member,
        about("AllergyIntolerance", "al", reaction=[reaction]),
        condition("c", code=None, bodySite=[{"text": "Knee"}]),
        condition("t", code={"text": "Diabetes since the war"}),
        about("Procedure", "p", status="completed"),
    )

    assert chart.job["error_count"] == 0
    assert value(chart.record("al"), "code", "display") == ("7984", "penicillin")
    hives = chart.record("al")["details"]["reaction"][0]
    assert (hives["manifestation"][0]["display"], hives["severity"]) == ("Hives", "severe")
    assert value(chart.record("c"), "code", "display") == (None, None)
    assert value(chart.record("t"), "code", "display") == (None, "Diabetes since the war")
    assert len(chart.records()) == 4


def test_each_medication_names_its_drug(shared_member: Member) -> None:
    def ordered(number: int, reference: dict[str, Any], *contained: Any) -> dict[str, Any]:
        request = drug("MedicationRequest", f"m{number}", intent="order", contained=[*contained])
        return {**request, "medicationCodeableConcept": None, "medicationReference": reference}

    penicillin = {"itemCodeableConcept": concept(RXNORM, "7980", "penicillin")}
    sulbactam = {"itemCodeableConcept": concept(RXNORM, "10167", "sulbactam")}
    ndc = {"system": "http://hl7.org/fhir/sid/ndc", "code": "00071-0155"}
    lipitor = concept(RXNORM, "617314", "Lipitor")
    chart = take_in(
        shared_member,
        ordered(1, {"reference": "#a"}, {"resourceType": "Medication", "id": "a", "code": lipitor}),
        ordered(2, {"reference": "Medication/x9"}),
        {"resourceType": "Medication", "id": "x9",
         "code": {"coding": [ndc, *lipitor["coding"]]}},
        ordered(3, {"reference": "Medication/none", "display": "Imatinib 400 mg"}),
        ordered(4, {"reference": "#a"},
                {"resourceType": "Medication", "id": "a", "ingredient": [penicillin]}),
        ordered(5, {"display": "St John's wort"}),
        ordered(6, {"reference": "#a"},
                {"resourceType": "Medication", "id": "a", "ingredient": [penicillin, sulbactam]}),
        ordered(7, {"reference": "Medication/x10"}),
        {"resourceType": "Medication", "id": "x10", "ingredient": [penicillin]},
    )  # fmt: skip

    assert {record["source_id"]: record["display"] for record in chart.records()} == {
        "m1": "Lipitor",
        "m2": "Lipitor",
        "m3": "Imatinib 400 mg",
        "m4": "penicillin",
        "m5": "St John's wort",
        "m6": "penicillin / sulbactam",
        "m7": "penicillin",
    }
    assert chart.ids(code="00071-0155") == ["m2"]
    assert sorted(chart.ids(code="7980")) == ["m4", "m6", "m7"]
    assert chart.job["error_count"] == 0


def test_administrations_and_dispenses_are_medications(shared_member: Member) -> None:
    dosage = {"text": "infusion", "dose": {"value": 440, "unit": "mg"}, "route": {"text": "IV"}}
    given = drug(
        "MedicationAdministration",
        "a",
        dosage=dosage,
        effectiveDateTime="2022-01-05T10:00:00Z",
        reasonCode=[{"text": "cancer"}],
    )
    quantity = {"value": 30, "unit": "tbl"}
    dispensed = drug("MedicationDispense", "d", whenHandedOver="2022-01-06", quantity=quantity)
    chart = take_in(shared_member, given, dispensed)

    assert [
        (event["type"], event["source_type"], event["at_on"]) for event in chart.timeline()
    ] == [
        ("medication", "MedicationDispense", "2022-01-06"),
        ("medication", "MedicationAdministration", "2022-01-05"),
    ]
    details = chart.record("a")["details"]
    dose = details["dosage"][0]
    assert (dose["text"], dose["dose"], dose["route"]["display"]) == ("infusion", "440 mg", "IV")
    assert details["reason"][0]["display"] == "cancer"
    assert chart.record("d")["details"]["quantity"] == "30 tbl"


def test_contained_results_are_records(shared_member: Member) -> None:
    potassium = {
        "resourceType": "Observation",
        "id": "k",
        "code": concept(LOINC, "2823-3", "Potassium"),
        "valueQuantity": {"value": 4.1, "unit": "mmol/L"},
    }
    report = about(
        "DiagnosticReport",
        "r",
        status="final",
        code=concept(LOINC, "24323-8"),
        effectiveDateTime="2021-01-01",
        contained=[potassium, {**potassium, "id": "l" * 64}],
        result=[{"reference": "#k"}],
    )
    chart = take_in(shared_member, report)

    record = chart.record("r.k")
    assert value(record, "value_number", "at_on", "source_type") == (
        4.1,
        "2021-01-01",
        "Observation",
    )
    assert chart.job["counts"]["Observation"]["new"] == 2


def test_records_are_found_by_each_coding_and_by_more(shared_member: Member) -> None:
    diabetes = {"system": SNOMED, "code": "44054006", "display": "Diabetes type 2"}
    icd = {"system": "urn:oid:2.16.840.1.113883.6.90", "code": "E11.9"}
    chart = take_in(
        shared_member,
        condition("t1", code={"coding": [icd, diabetes], "text": "Sugar"}, onsetDateTime="2014-05"),
        condition("t2", code={"coding": [{"code": "E11.9"}]}, onsetDateTime="2016-05-02"),
        condition("t3", code={"text": "E11.9"}),
        condition("t4", code={"coding": [icd]}, clinicalStatus="active"),
        observation("o", category=[concept(None, "laboratory")], code=concept(LOINC, "E11.9")),
    )

    def found(**query: Any) -> set[str]:
        return set(chart.ids(**query))

    assert found(code="E11.9") == {"t1", "t2", "t4", "o"}
    assert found(code="E11.9", system=ICD10) == {"t1", "t4"}
    assert found(code="44054006", system=ICD10) == set()
    assert found(system=ICD10) == {"t1", "t4"}
    assert found(system=SNOMED) == {"t1"}
    assert found(category="laboratory") == {"o"}
    assert found(status="active") == {"t4"}
    assert found(status="final") == {"o"}
    assert found(since="2014-05-01", until="2014-05-01") == {"t1"}
    assert found(since="2014-05-02") == {"t2", "o"}
    assert chart.record("t1")["details"] == {"text": "Sugar"}


def test_codings_follow_a_changed_record(shared_member: Member) -> None:
    both = {"coding": [{"system": "urn:b", "code": "B"}, {"system": "urn:a", "code": "A"}]}
    chart = take_in(shared_member, condition(code=both))
    before = chart.ids(code="A")
    three = {"coding": [*both["coding"][:1], {"system": "urn:c", "code": "C"}]}

    import_more(shared_member, chart.patient["source"], condition(code=three))

    assert before == ["c"]
    assert [chart.ids(code=code) for code in "ABC"] == [[], ["c"], ["c"]]


def test_race_ethnicity_and_gender_in_each_shape(shared_member: Member) -> None:
    def group(name: str, **parts: Any) -> dict[str, Any]:
        url = f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{name}"
        listed = [{"url": part, "valueCoding": coding} for part, coding in parts.items()]
        return {"url": url, "extension": listed}

    patient = take_in(
        shared_member,
        gender="Male",
        extension=[
            group("race", detailed={"code": "2036-2", "display": "Filipino"}),
            group("ethnicity", ombCategory={"code": "2135-2"}),
        ],
    ).patient

    assert value(patient, "sex", "race", "ethnicity") == ("male", "Filipino", "Hispanic or Latino")


def test_free_texts_of_details_are_masked(shared_member: Member, as_member: AsMember) -> None:
    secret = "Zaphod Beeblebrox"
    chart = take_in(
        shared_member,
        condition(
            bodySite=[{"coding": [{"system": SNOMED, "code": "80248007", "display": secret}]}],
            note=[{"text": secret}],
            onsetString=secret,
            code={"coding": [{"system": SNOMED, "code": "44054006"}], "text": secret},
            stage=[{"summary": {"text": secret}, "type": {"text": secret}}],
        ),
        drug("MedicationRequest", intent=secret, dosageInstruction=[{"text": secret}]),
        observation(focus=[{"display": secret}], interpretation=[{"text": secret}],
                    referenceRange=[{"text": secret}]),
        birthDate="2087-01-01",
    )  # fmt: skip
    chart.member = as_member(shared_member.tenant, phi_level="limited")

    records, events = chart.records(), chart.timeline()
    assert len(records) == len(events) == 3
    assert secret not in str(records) + str(events)
    patient = chart.member.get(f"/patients/{chart.patient['id']}").json
    assert "2087" not in str(patient)
    (masked,) = [record for record in records if record["type"] == "condition"]
    assert masked["details"]["body_site"][0]["code"] == "80248007"
