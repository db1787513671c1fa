"""Reading studies of ClinicalTrials.gov: nothing but the NCT id is needed."""

from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recruiting.study_imports.registry_bodies import (
    ABSENT,
    REAL_STUDIES,
    body,
    eligibility,
    real_studies,
)
from trially.recruiting.studies.schema import StudySchema
from trially.recruiting.study_imports.ages import AgeError, to_duration
from trially.recruiting.study_imports.eligibility_texts import to_text
from trially.recruiting.study_imports.kept_records import MOST_BYTES, keep
from trially.recruiting.study_imports.locations import locations_of
from trially.recruiting.study_imports.registry_studies import NoStudyError, read_study


def test_a_study_without_anything_else_is_read() -> None:
    study = read_study(body())

    assert study.values == {
        "nct_id": "NCT00000001",
        "title": "NCT00000001",
        "sponsor": None,
        "phases": [],
        "study_type": "unknown",
        "status": "unknown",
        "conditions": [],
        "keywords": [],
        "interventions": [],
        "target_enrollment": None,
        "sex": None,
        "minimum_age": None,
        "maximum_age": None,
        "healthy_volunteers": None,
        "source": "ctgov",
    }
    assert (study.organisation_number, study.eligibility) == (None, None)
    assert (study.warnings, study.left_out) == ([], [])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], "A study is an object"),
        ("NCT00000001", "A study is an object"),
        ({}, "There is no NCT id"),
        ({"protocolSection": None}, "There is no NCT id"),
        ({"protocolSection": []}, "There is no NCT id"),
        ({"FullStudy": {"Study": {}}}, "There is no NCT id"),
        (body("NCT1"), "'NCT1' is no NCT id"),
        (body("NCT0000000\u0661"), "is no NCT id"),
        ({"protocolSection": {"identificationModule": {"nctId": 7}}}, "'7' is no NCT id"),
    ],
)
def test_what_is_no_study_is_refused_with_a_sentence(wrong: Any, sentence: str) -> None:
    with pytest.raises(NoStudyError, match=sentence):
        read_study(wrong)


def test_a_study_that_is_nested_too_deep_is_refused() -> None:
    deep: Any = []
    for _ in range(70):
        deep = [deep]

    with pytest.raises(NoStudyError, match="more than 64 levels"):
        read_study(body(referencesModule=deep))


@pytest.mark.parametrize(
    ("age", "duration"),
    [
        ("18 Years", "P18Y"),
        ("1 Year", "P1Y"),
        ("6 Months", "P6M"),
        ("24 Months", "P24M"),
        ("3 Weeks", "P3W"),
        ("28 Days", "P28D"),
        ("12 Hours", "PT12H"),
        ("18 Minutes", "PT18M"),
        (" 18 years ", "P18Y"),
        ("0 Years", "P0Y"),
        ("N/A", None),
        ("", None),
    ],
)
def test_ages_keep_their_unit_and_the_lack_of_one_is_no_limit(age: str, duration: str) -> None:
    assert to_duration(age) == duration


@pytest.mark.parametrize(
    "wrong", ["adult", "18", "-1 Years", "1.5 Years", "18 Years old", "\u0663 Years"]
)
def test_what_is_no_age_is_no_limit_with_a_warning(wrong: str) -> None:
    with pytest.raises(AgeError):
        to_duration(wrong)
    study = read_study(eligibility(minimumAge=wrong, maximumAge="65 Years"))

    assert (study.values["minimum_age"], study.values["maximum_age"]) == (None, "P65Y")
    assert [each["pointer"] for each in study.warnings] == [
        "/protocolSection/eligibilityModule/minimumAge"
    ]


def test_a_study_in_two_phases_has_both() -> None:
    def phases(*values: Any) -> list[str]:
        study = read_study(body(designModule={"phases": list(values)}))
        return list(study.values["phases"])

    assert phases("PHASE2", "PHASE3") == ["phase_2", "phase_3"]
    assert phases("EARLY_PHASE1") == ["early_phase_1"]
    assert phases("NA") == []
    assert phases("PHASE2", "PHASE2") == ["phase_2"]


def test_values_that_are_not_known_are_kept_in_the_record_and_named() -> None:
    design = {"studyType": "REGISTRY", "phases": ["PHASE5"]}
    study = read_study(
        body(statusModule={"overallStatus": "PLANNED"}, designModule=design)
        | {"unknownSection": {}}
    )

    assert (study.values["status"], study.values["study_type"]) == ("unknown", "unknown")
    assert study.values["phases"] == []
    assert {each["pointer"] for each in study.warnings} == {
        "/protocolSection/statusModule/overallStatus",
        "/protocolSection/designModule/studyType",
        "/protocolSection/designModule/phases/0",
    }
    assert study.record["protocolSection"]["statusModule"] == {"overallStatus": "PLANNED"}
    assert study.left_out == ["/unknownSection"]


def test_recruiting_is_not_what_is_not_yet_recruiting() -> None:
    def status(value: str) -> Any:
        return read_study(body(statusModule={"overallStatus": value})).values["status"]

    assert status("NOT_YET_RECRUITING") == "not_yet_recruiting"
    assert status("RECRUITING") == "recruiting"
    assert status("WITHHELD") == "withheld"


def test_healthy_volunteers_may_be_absent() -> None:
    found = [
        read_study(eligibility(**members)).values["healthy_volunteers"]
        for members in ({}, {"healthyVolunteers": False}, {"healthyVolunteers": True})
    ]
    assert found == [None, False, True]


def test_texts_are_cut_to_what_a_study_holds() -> None:
    study = read_study(
        body(
            identificationModule={"briefTitle": "x" * 600, "orgStudyIdInfo": {"id": "y" * 65}},
            conditionsModule={"conditions": ["A", "A", " B\nC ", 7, "", "z" * 300]},
        )
    )

    assert study.values["title"] == "x" * 499 + "…"
    assert study.values["conditions"] == ["A", "B C", "z" * 199 + "…"]
    assert study.organisation_number is None
    assert len(study.warnings) == 3


def test_the_eligibility_text_has_no_escapes() -> None:
    raw = "Inclusion:\r\n\r\n* HbA1c \\>= 7 \\[%\\] &lt; 10\n* a\\b \\\\ c"
    study = read_study(eligibility(eligibilityCriteria=raw))

    assert study.eligibility == "Inclusion:\n\n* HbA1c >= 7 [%] < 10\n* a\\b \\ c"
    assert to_text("&copy; &amp;lt;") == "&copy; &lt;"
    kept = study.record["protocolSection"]["eligibilityModule"]["eligibilityCriteria"]
    assert kept == raw


def test_contacts_and_results_are_not_kept() -> None:
    places = {
        "centralContacts": [{"name": "Zoe Person", "phone": "1"}],
        "overallOfficials": [{"name": "Zoe Person"}],
        "locations": [{"facility": "A", "contacts": [{"email": "zoe@example.org"}]}],
    }
    results = {"text": "r" * 1_500_000}
    study = read_study(body(contactsLocationsModule=places) | {"resultsSection": results})

    assert "Zoe" not in str(study.record)
    assert "zoe@example.org" not in str(study.record)
    assert study.record["protocolSection"]["contactsLocationsModule"] == {
        "locations": [{"facility": "A"}]
    }
    assert study.left_out == [
        "/protocolSection/contactsLocationsModule/centralContacts",
        "/protocolSection/contactsLocationsModule/locations/0/contacts",
        "/protocolSection/contactsLocationsModule/overallOfficials",
        "/resultsSection",
    ]
    assert places["locations"][0]["contacts"], "The body itself is not changed."


def test_a_record_is_bounded_and_its_largest_parts_go_first() -> None:
    large = body(
        outcomesModule={"text": "o" * MOST_BYTES},
        referencesModule={"text": "r" * (MOST_BYTES // 2)},
        eligibilityModule={"minimumAge": "18 Years"},
    )

    kept, left_out = keep(large)

    assert left_out == ["/protocolSection/outcomesModule"]
    assert set(kept["protocolSection"]) == {
        "identificationModule",
        "referencesModule",
        "eligibilityModule",
    }
    assert keep({"protocolSection": "x" * MOST_BYTES}) == ({}, [""])


def test_nothing_in_a_record_is_refused_by_postgresql() -> None:
    kept, _ = keep(body(moreInfo={"a\x00": ["b\x00"]}))
    assert kept["protocolSection"]["moreInfo"] == {"a": ["b"]}


def test_locations_have_places_where_the_registry_has_them() -> None:
    locations = [
        {"facility": "A", "zip": "68102", "status": "RECRUITING", "geoPoint": {"lat": 1, "lon": 2}},
        {"facility": "B", "geoPoint": {"lat": 100, "lon": 2}},
        {"facility": "C", "geoPoint": {"lat": True, "lon": 2}},
        "D",
    ]
    found = list(locations_of(body(contactsLocationsModule={"locations": locations})))

    assert [each["facility"] for each in found] == ["A", "B", "C"]
    assert (found[0]["latitude"], found[0]["longitude"]) == (1.0, 2.0)
    assert (found[0]["postal_code"], found[0]["status"]) == ("68102", "recruiting")
    assert [each["latitude"] for each in found[1:]] == [None, None]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
WHOLE = body(
    identificationModule={"briefTitle": "A", "orgStudyIdInfo": {"id": "1"}},
    statusModule={"overallStatus": "RECRUITING"},
    sponsorCollaboratorsModule={"leadSponsor": {"name": "S"}},
    conditionsModule={"conditions": ["C"], "keywords": ["K"]},
    designModule={
        "studyType": "INTERVENTIONAL",
        "phases": ["PHASE2"],
        "enrollmentInfo": {"count": 10},
    },
    armsInterventionsModule={"interventions": [{"type": "DRUG", "name": "M"}]},
    eligibilityModule={
        "eligibilityCriteria": "Inclusion",
        "sex": "ALL",
        "minimumAge": "18 Years",
        "healthyVolunteers": True,
    },
    contactsLocationsModule={"locations": [{"geoPoint": {"lat": 1, "lon": 1}, "contacts": []}]},
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else ()
    return [path, *(found for name, each in inner for found in paths_of(each, (*path, name)))]


DAMAGED = [path for path in paths_of(WHOLE) if path and "nctId" not in path]
"""Paths of objects' members. Arrays are damaged as a whole."""


def damage(around: Any, path: tuple[Any, ...], value: Any) -> None:
    """Put a value at a path, unless an earlier damage has removed it."""
    *outer, last = path
    for name in outer:
        around = around.get(name) if isinstance(around, dict) else None
    if isinstance(around, dict):
        around[str(last)] = value


@given(st.lists(st.tuples(st.sampled_from(DAMAGED), JSON), min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_a_damaged_study_is_read_and_fits_what_the_api_accepts(
    damages: list[tuple[tuple[Any, ...], Any]],
) -> None:
    damaged = deepcopy(WHOLE)
    for path, value in damages:
        damage(damaged, path, value)
    try:
        study = read_study(damaged)
    except NoStudyError:
        section = damaged["protocolSection"]
        module = section.get("identificationModule") if isinstance(section, dict) else None
        assert not (isinstance(module, dict) and module.get("nctId") == "NCT00000001")
        return

    values = {name: value for name, value in study.values.items() if name != "source"}
    assert StudySchema().validate(values | {"protocol_number": "1"}) == {}
    assert b"\\u0000" not in orjson.dumps([study.values, study.record, study.eligibility])
    assert list(locations_of(study.record)) is not None


@pytest.mark.skipif(not REAL_STUDIES.exists(), reason=ABSENT)
def test_all_real_studies_are_read_without_a_warning() -> None:
    studies = [read_study(each) for each in real_studies()]

    assert len({study.nct_id for study in studies}) == 180
    assert [study.nct_id for study in studies if study.warnings] == []
    assert sum(study.values["maximum_age"] is None for study in studies) == 91
    assert sum(study.values["minimum_age"] is None for study in studies) == 8
    assert sum(study.values["healthy_volunteers"] is None for study in studies) == 6
    assert [study.values["minimum_age"] for study in studies].count("PT18M") == 1
    assert not any("\\>" in (study.eligibility or "") for study in studies)
    for study in studies:
        values = {name: value for name, value in study.values.items() if name != "source"}
        assert StudySchema().validate(values | {"protocol_number": "1"}) == {}
