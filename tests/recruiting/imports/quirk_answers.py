"""What is right for each input of `shared/data/fhir_quirks`: rows, values, counts and faults."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What an import of one file leaves behind, and what it says."""

    counts: dict[str, str]
    """By type: the counts that are not 0, as `read 2 new 1`."""

    patients: tuple[Json, ...] = ()
    """Fields of each patient of the source, ordered by id and MRN."""

    records: dict[str, Json] = field(default_factory=dict)
    """Fields of each record, by id; of a component also its number: `bp.1`.

    Of a withdrawn record only `withdrawn`, which is the reason.
    """

    faults: tuple[tuple[str, str | None, str | None], ...] = ()
    """Code, `Type/id` and pointer of each fault, in any order."""

    state: str = "done"
    order: str | None = None
    """Ids of the records of the first patient in the order of their list."""


READ = "read 1 new 1"
DIABETES: Json = {
    "code": "44054006",
    "clinical_status": "active",
    "verification_status": "confirmed",
    "at_on": "2014-05-02",
    "start_precision": "day",
    "negated": False,
}
HBA1C: Json = {"code": "4548-4", "status": "final", "at": "2021-03-04T09:00:00Z", "unit": "%"}
METFORMIN: Json = {"code": "6809", "display": "metformin", "at_on": "2020-01-01"}
WARFARIN: Json = {"code": "11289", "status": "active", "at_on": "2020-01-01"}
UNDATED: Json = dict.fromkeys(("at", "at_on", "start_at", "end_at", "dated_by"))
NOT_DONE: Json = {"status": "not-done", "negated": True}


def one(mrn: str, **fields: Any) -> tuple[Json, ...]:
    """Return the one patient of a source."""
    return ({"mrn": mrn, "record_status": "current", **fields},)


def pair(mrn: str, record: str, **fields: Any) -> Answer:
    """Return the answer of an input with one patient and one diagnosis of diabetes."""
    counts = {"Patient": READ, "Condition": READ}
    return Answer(counts, one(mrn, **fields), {record: DIABETES})


def measured(number: float, decimal: str | None = None, **fields: Any) -> Json:
    return {"value_number": number, "value_decimal": decimal or str(number), **fields}


def said(text: str) -> Json:
    return {"value_text": text, "value_number": None}


ANSWERS: dict[str, Answer] = {
    "administered_and_dispensed.jsonl": Answer(
        {"Patient": READ, "MedicationAdministration": READ, "MedicationDispense": READ},
        one("M-ma"),
        {
            "a1": {"type": "medication", "display": "trastuzumab", "at": "2022-01-05T10:00:00Z"},
            "a2": {"type": "medication", "display": "imatinib", "at_on": "2022-01-06"},
        },
    ),
    "array_of_resources.json": pair("M-ar", "ac"),
    "bad_birth_date.jsonl": Answer(
        {"Patient": READ, "Condition": READ, "Observation": READ},
        one("M-bb", birth_date=None, sex="female"),
        {"bc": DIABETES, "bo": HBA1C | measured(7)},
        (("invalid_element", "Patient/bb", "/birthDate"),),
    ),
    "bad_component.jsonl": Answer(
        {"Patient": READ, "Observation": READ},
        one("M-cp"),
        {
            "bp": {"code": "85354-9"},
            "bp.1": measured(121, code="8480-6", unit="mm[Hg]", parent_code="85354-9"),
            "bp.2": {"code": "8462-4", "value_number": None, "parent_code": "85354-9"},
        },
        (("missing_element", "Observation/bp", "/component/2/code"),),
    ),
    "becomes_invalid_1of2.jsonl": Answer(
        {"Patient": READ, "Condition": READ, "Observation": READ},
        one("M-bi"),
        {"c": DIABETES, "o": HBA1C | measured(6)},
    ),
    "becomes_invalid_2of2.jsonl": Answer(
        {"Patient": "read 1", "Condition": "read 1 changed 1", "Observation": "withdrawn 1"},
        one("M-bi"),
        {
            "c": DIABETES | UNDATED | {"verification_status": "refuted", "start_precision": None},
            "o": {"withdrawn": "invalid"},
        },
        (
            ("invalid_element", "Condition/c", "/onsetDateTime"),
            ("invalid_reference", "Observation/o", "/subject"),
        ),
    ),
    "birth_date_with_time.jsonl": Answer(
        {"Patient": READ}, one("M-bt", birth_date="2001-11-30", birth_date_precision="day")
    ),
    "bom_crlf_blank.jsonl": pair("M-bom", "b1"),
    "bundle_in_bundle.json": Answer(
        {"Patient": "read 2 new 2", "Condition": READ},
        (*one("M-n1"), *one("N2")),
        {"nc": DIABETES | {"of": "M-n1"}},
    ),
    "cancer_stage_and_site.jsonl": Answer(
        {"Patient": READ, "Condition": READ},
        one("M-cg"),
        {
            "cgc": DIABETES
            | {
                "code": "254837009",
                "details": {
                    "stage": [
                        {
                            "system": "http://snomed.info/sct",
                            "code": "258219007",
                            "display": "Stage 2",
                            "text": "Stage IIA",
                        }
                    ],
                    "body_site": [
                        {
                            "system": "http://snomed.info/sct",
                            "code": "80248007",
                            "display": "Left breast",
                            "text": None,
                        }
                    ],
                    "severity": {
                        "system": "http://snomed.info/sct",
                        "code": "24484000",
                        "display": "Severe",
                        "text": None,
                    },
                },
            }
        },
    ),
    "conditional_reference.json": pair("CR-1", "crc"),
    "contained_patient.jsonl": Answer(
        {"Condition": "read 1 waiting 1"},
        faults=(("patient_missing", "Condition/q1", None),),
    ),
    "data_absent_elements.jsonl": Answer(
        {"Patient": READ},
        one("AB-1", birth_date=None, family_name=None, given_name=None, sex=None),
    ),
    "death_in_the_future.jsonl": Answer(
        {"Patient": READ},
        one(
            "M-fr",
            deceased=True,
            deceased_at=None,
            deceased_on=None,
            date_problem="death_in_future",
            impossible_dates={"deceased_at": "2031-01-01T00:00:00Z"},
        ),
        faults=(("invalid_element", "Patient/fr", "/deceasedDateTime"),),
    ),
    "decomposed_unicode_name.jsonl": Answer({"Patient": READ}, one("M-nf")),
    "deleted_resource.json": Answer(
        {"Patient": READ, "Condition": "read 2 new 1 withdrawn 1"},
        one("M-d1"),
        {"dc1": {"withdrawn": "deleted"}},
    ),
    "do_not_perform_1of2.jsonl": Answer(
        {"Patient": READ, "MedicationRequest": READ}, one("M-dn"), {"m": WARFARIN}
    ),
    "do_not_perform_2of2.jsonl": Answer(
        {"Patient": "read 1", "MedicationRequest": "withdrawn 1"},
        one("M-dn"),
        {"m": {"withdrawn": "not_performed"}},
    ),
    "effective_timing.jsonl": Answer(
        {"Patient": READ, "Observation": "read 3 new 3"},
        one("M-tm"),
        {
            "t1": measured(1, at="2019-05-05T08:00:00Z", start_precision="instant"),
            "t2": measured(2, at="2019-05-06T08:00:00.123000Z", start_precision="instant"),
            "t3": measured(3, at_on="2019-05-07", end_on="2019-05-09", start_precision="day"),
        },
        order="t3 t2 t1",
    ),
    "ends_before_it_starts.jsonl": Answer(
        {"Patient": READ, "Condition": READ},
        one("M-es"),
        {
            "esc": {
                "date_problem": "ends_before_start",
                "start_on": "2020-05-05",
                "end_on": "2019-01-01",
                "at": None,
                "clinical_status": "resolved",
            }
        },
        (("invalid_element", "Condition/esc", "/abatementDateTime"),),
    ),
    "export_error_file.jsonl": Answer({}, faults=(("export_error", None, None),), state="failed"),
    "facts_before_patient_1of2.jsonl": Answer(
        {"Observation": "read 1 waiting 1"}, faults=(("patient_missing", "Observation/lo", None),)
    ),
    "facts_before_patient_2of2.jsonl": Answer(
        {"Patient": READ, "Observation": "new 1 resolved 1"},
        one("M-late"),
        {"lo": HBA1C | measured(7)},
    ),
    "gender_deceased.jsonl": Answer(
        {"Patient": "read 6 new 6"},
        (
            *one("M-ge1", sex="other", deceased=False),
            *one("M-ge2", sex="male", deceased=False),
            *one("M-ge3", sex=None, deceased=False),
            *one("M-ge4", sex="unknown", deceased=False),
            *one("M-ge5", deceased=True, deceased_on="2019-01-01", deceased_precision="year"),
            *one("M-ge6", deceased=True, deceased_at=None),
        ),
    ),
    "gzip_members.jsonl.gz": pair("M-gz", "gc"),
    "history_newest_first.json": Answer(
        {"Patient": READ, "Condition": "read 2 new 1 stale 1"},
        one("M-p1"),
        {"c1": DIABETES | {"clinical_status": "resolved", "end_on": "2020-02-01"}},
    ),
    "id_over_64.jsonl": Answer(
        {"Patient": READ}, one("M-si"), faults=(("invalid_id", "Observation/None", "/id"),)
    ),
    "impossible_birth_date.jsonl": Answer(
        {"Patient": READ},
        one(
            "M-bf",
            birth_date=None,
            date_problem="birth_in_future",
            impossible_dates={"birth_date": "2087-01-01"},
        ),
        faults=(("invalid_element", "Patient/bf", "/birthDate"),),
    ),
    "inactive_patient.jsonl": Answer(
        {"Patient": READ, "Condition": READ},
        ({"mrn": "M-in1", "active": False, "record_status": "inactive"},),
        {"c": DIABETES},
    ),
    "local_day_of_encounter_and_death.jsonl": Answer(
        {"Patient": READ, "Encounter": READ},
        one(
            "M-ld",
            last_encounter_on="2021-12-31",
            deceased_on="2022-03-31",
            deceased_at="2022-04-01T02:15:00Z",
        ),
        {"le": {"at": "2022-01-01T01:30:00Z", "at_on": "2021-12-31", "start_offset": -300}},
    ),
    "logical_reference.jsonl": pair("L-1", "lc"),
    "many_codings.jsonl": Answer(
        {"Patient": READ, "Condition": "read 4 new 4"},
        one("M-tc"),
        {
            "t1": DIABETES
            | {
                "display": "Diabetes type 2",
                "other_codings": [
                    {
                        "system": "http://hl7.org/fhir/sid/icd-10-cm",
                        "code": "E11.9",
                        "display": "T2DM w/o complications",
                    }
                ],
                "details": {"text": "Sugar"},
            },
            "t2": {"code": "E11.9", "code_system": None, "display": "no system"},
            "t3": {"code": None, "display": "Diabetes since the war"},
            "t4": {"code": "E11.9", "code_system": "http://hl7.org/fhir/sid/icd-10-cm"},
        },
    ),
    "many_names.jsonl": Answer(
        {"Patient": READ}, one("M-nm", given_name="Zoë Marie", family_name="O'Brien-Smythe")
    ),
    "medication_by_reference.jsonl": Answer(
        {"Patient": READ, "Medication": READ, "MedicationRequest": "read 5 new 5"},
        one("M-md"),
        {
            "m1": METFORMIN,
            "m2": {
                "code": "617314",
                "display": "Lipitor",
                "other_codings": [
                    {
                        "system": "http://hl7.org/fhir/sid/ndc",
                        "code": "00071-0155",
                        "display": None,
                    }
                ],
            },
            "m3": {"code": None, "display": "Imatinib 400 mg"},
            "m4": {"code": "7980", "display": "penicillin"},
            "m5": {"code": None, "display": "St John's wort"},
        },
    ),
    "merged_patient.jsonl": Answer(
        {"Patient": "read 2 new 2", "Condition": "read 2 new 2"},
        (
            {"source_id": "dupe", "mrn": "501", "active": False, "record_status": "replaced"},
            {"source_id": "keepme", "mrn": "500", "active": True, "record_status": "current"},
        ),
        {
            "cm": DIABETES | {"of": "Merge"},
            "ck": DIABETES | {"code": "38341003", "of": "Merge"},
        },
    ),
    "mrn_choice.jsonl": Answer(
        {"Patient": "read 3 new 3"},
        (*one("0004711"), *one("4711"), *one("00 12", mrn_system="x")),
    ),
    "mrn_swapped_1of2.jsonl": Answer(
        {"Patient": "read 2 new 2"},
        (*one("100", family_name="Ash"), *one("200", family_name="Birch")),
    ),
    "mrn_swapped_2of2.jsonl": Answer(
        {"Patient": "read 2 changed 2"},
        (*one("200", family_name="Ash"), *one("100", family_name="Birch")),
    ),
    "negations_of_stu3_dstu2.jsonl": Answer(
        dict.fromkeys(("Patient", "Immunization", "Procedure", "MedicationStatement"), READ),
        one("M-v1"),
        {
            "n1": NOT_DONE | {"code": "207", "at_on": "2021-04-01"},
            "n2": NOT_DONE | {"code": "174041007", "at_on": "2019-01-01"},
            "n3": {"code": "6809", "status": "not-taken", "negated": True, "at_on": "2019-01-01"},
        },
    ),
    "no_code_at_all.jsonl": Answer(
        {"Patient": READ, "AllergyIntolerance": READ},
        one("M-k1"),
        {"al": {"type": "allergy", "code": "7984", "display": "penicillin"}},
    ),
    "numbers.jsonl": Answer(
        {"Patient": READ, "Observation": "read 7 new 7"},
        one("M-nu"),
        {
            "a": measured(1.1, "1.10"),
            "b": measured(0.001, "0.001"),
            "c": measured(9007199254740993),
            "d": measured(0.1, "0.1000000000000000055511151231257827"),
            "e": measured(
                123456789012345678901234567890,
            ),
            "f": measured(0, "0.0"),
            "g": measured(100),
        },
    ),
    "observation_focus.jsonl": Answer(
        {"Patient": READ, "Observation": READ},
        one("M-mo"),
        {"fo": measured(9, has_focus=True, focus="RelatedPerson")},
    ),
    "odd_values.jsonl": Answer(
        {"Patient": READ, "Observation": "read 20 new 20"},
        one("M-va"),
        {
            "o1": measured(7.2, unit=None),
            "o2": measured(7.3, unit="percent"),
            "o3": measured(7.4, unit="%"),
            "o4": measured(7.5, unit="%"),
            "o5": said("<5"),
            "o6": said("7.2"),
            "o7": said("1+"),
            "o8": said("3 % - 5 %"),
            "o9": said("1 : 128"),
            "o10": {"value_text": None, "value_number": None},
            "o11": {"value_text": None, "value_number": None},
            "o12": measured(0.01, comparator="<", unit="ng/mL"),
            "o13": {"value_number": None, "unit": "%"},
            "o14": measured(0, unit=None),
            "o15": {"value_code": "false"},
            "o16": said("10:00:00"),
            "o17": said("2020-01-01 - …"),
            "o18": said("Negative"),
            "o19": {"value_text": None, "value_number": None},
            "o20": said("ad 5 mg"),
        },
        (
            ("invalid_element", "Observation/o10", "/valueSampledData"),
            ("invalid_element", "Observation/o19", "/valueAttachment"),
            ("invalid_element", "Observation/o20", "/valueQuantity/comparator"),
        ),
    ),
    "onset_abatement_age_string.jsonl": Answer(
        {"Patient": READ, "Condition": READ},
        one("M-g1"),
        {
            "g": {
                "start_on": "2006-04-09",
                "start_precision": "year",
                "end_on": "2011-04-09",
                "clinical_status": "inactive",
                "details": {"onset": "45 a", "abatement": "50 a"},
            }
        },
    ),
    "other_fhir_versions.jsonl": Answer(
        dict.fromkeys(
            ("Patient", "Condition", "MedicationOrder", "Encounter", "AllergyIntolerance"), READ
        ),
        one("M-v3", last_encounter_on="2014-01-01"),
        {
            "d2": {"code": "44054006", "clinical_status": "active", "at_on": "2014-01-01"},
            "d3": {"display": "metformin", "intent": "order", "at_on": "2014-01-01"},
            "d4": {"category": "outpatient", "status": "finished", "at_on": "2014-01-01"},
            "d5": {"display": "penicillin", "clinical_status": "active", "at_on": "2014-01-01"},
        },
    ),
    "partial_dates.jsonl": Answer(
        {"Patient": READ, "Condition": "read 5 new 5"},
        one("M-pd", birth_date="1961-01-01", birth_date_precision="year"),
        {
            "y": {"at_on": "2015-01-01", "start_precision": "year"},
            "m": {"at_on": "2015-06-01", "start_precision": "month"},
            "d": {"at_on": "2015-06-15", "start_precision": "day"},
            "t": {
                "at": "2015-06-16T04:30:00Z",
                "at_on": "2015-06-15",
                "start_precision": "instant",
            },
            "n": {
                "at": "2015-06-15T23:30:00Z",
                "at_on": "2015-06-15",
                "start_precision": "instant",
            },
        },
        order="t n d m y",
    ),
    "patient_in_parameters.json": Answer({"Patient": READ}, one("M-pp")),
    "planned_cancelled_encounters.jsonl": Answer(
        {"Patient": READ, "Encounter": "read 4 new 4"},
        one("M-eo", last_encounter_on="2020-02-02"),
        {
            "e1": UNDATED | {"status": "finished", "category": "EMER"},
            "e2": {"status": "planned", "at_on": "2031-01-01"},
            "e3": {"status": "cancelled", "at_on": "2022-01-01"},
            "e4": {"status": "finished", "at_on": "2020-02-02"},
        },
    ),
    "prescription_without_authored_on.jsonl": Answer(
        {"Patient": READ, "MedicationRequest": READ},
        one("M-bo"),
        {"bm": {"code": "6809", "at_on": "2006-12-05", "end_on": "2007-03-05"}},
    ),
    "pretty_concatenated.json": pair("M-pc", "pcc"),
    "proposed_medication.jsonl": Answer(
        {"Patient": READ, "MedicationRequest": READ},
        one("M-pr"),
        {"pm": WARFARIN | {"intent": "proposal"}},
    ),
    "race_ethnicity_shapes.jsonl": Answer(
        {"Patient": READ}, one("M-ra", race="White, Asian", ethnicity="Hispanic or Latino")
    ),
    "reference_range_and_flag.jsonl": Answer(
        {"Patient": READ, "Observation": READ},
        one("M-rr"),
        {"ast": measured(130, unit="U/L", reference_low=8, reference_high=40, interpretation="H")},
    ),
    "references_versioned_absolute_bare.jsonl": Answer(
        {"Patient": READ, "Condition": "read 3 new 3"},
        one("M-vr"),
        {"a": DIABETES, "b": DIABETES, "c": DIABETES},
        (("invalid_reference", "Condition/d", "/subject"),),
    ),
    "refuted_condition.jsonl": Answer(
        {"Patient": READ, "Condition": READ},
        one("M-r1"),
        {"rc": {"code": "254837009", "verification_status": "refuted", "clinical_status": None}},
    ),
    "results_contained_in_report.jsonl": Answer(
        {"Patient": READ, "Observation": READ},
        one("M-dr"),
        {"r.k": measured(4.1, code="2823-3", unit="mmol/L", at_on="2021-01-01")},
    ),
    "same_mrn_two_systems.jsonl": Answer(
        {"Patient": "read 2 new 2", "Condition": "read 2 new 2"},
        (
            *one("1042", family_name="Norden", mrn_system="http://north.example/mrn"),
            *one("1042", family_name="Suden", mrn_system="http://south.example/mrn"),
        ),
        {"ca": DIABETES | {"of": "Norden"}, "cb": DIABETES | {"of": "Suden"}},
    ),
    "searchset_with_next_page.json": Answer(
        {"Patient": READ, "Condition": READ},
        one("M-ss"),
        {"sc": DIABETES},
        (("more_pages", None, None),),
    ),
    "stale_export_1of2.jsonl": Answer(
        {"Patient": READ, "Condition": "read 1 new 1 entered_in_error 1"},
        one("M-p1", deceased=True),
    ),
    "stale_export_2of2.jsonl": Answer(
        {"Patient": "read 1 stale 1", "Condition": "read 1 stale 1"},
        one("M-p1", deceased=True),
    ),
    "trailing_commas.jsonl": pair("M-tc1", "tcc"),
    "transaction_response.json": Answer({}, faults=(("empty_input", None, None),), state="failed"),
    "two_servers_one_id.json": Answer(
        {"Patient": "read 2 new 2", "Condition": "read 2 new 2"},
        (
            *one("E1", given_name="Ada", family_name="Eastman", sex="female"),
            *one("W1", given_name="Bo", family_name="Westby", sex="male"),
        ),
        {
            "5": {"code": "254837009", "of": "Eastman"},
            "6": {"code": "399068003", "of": "Westby"},
        },
    ),
    "undated_fact.jsonl": Answer(
        {"Patient": READ, "Condition": "read 2 new 2"},
        one("M-u1"),
        {
            "cv": {"code": "38341003", "at_on": "2012-01-01"},
            "cu": DIABETES | UNDATED | {"start_precision": None},
        },
        order="cv cu",
    ),
    "urn_uuid_reference_in_ndjson.jsonl": pair("M-3f8d2a10-0000-4000-8000-000000000001", "uu"),
    "urn_without_ids.json": pair("M-x", "1.2.36.146.595.217.0.2"),
    "utf16.jsonl": pair("M-u16", "c"),
    "zipped.zip": Answer({"Patient": READ}, one("M-zp")),
}
