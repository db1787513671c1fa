"""A record happened when its source says: never at the import, and never on another day."""

from typing import Any

import pytest
from members import AsMember, MakeTenant, Member

from tests.recruiting.imports.charts import about, condition, drug, observation, take_in
from tests.recruiting.imports.importing import upload, write_ndjson

ENDED = {"abatementAge": {"value": 50, "code": "a"}}


def test_a_fact_without_a_date_has_none_and_comes_last(shared_member: Member) -> None:
    undated = [condition(f"u{number}") for number in range(3)]
    chart = take_in(shared_member, *undated, condition("dated", onsetDateTime="2012-01-01"))

    assert chart.ids()[0] == "dated"
    assert sorted(chart.ids()[1:]) == ["u0", "u1", "u2"]
    shown = chart.event("u1")
    assert [shown[name] for name in ("at", "at_on", "dated_by", "precision", "until")] == [None] * 5
    assert len(chart.timeline()) == 4
    assert chart.job["error_count"] == 0


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"onsetDateTime": "2015"}, ("2015-01-01T00:00:00Z", "2015-01-01", "year")),
        ({"onsetDateTime": "2015-06"}, ("2015-06-01T00:00:00Z", "2015-06-01", "month")),
        ({"onsetDateTime": "2015-06-15"}, ("2015-06-15T00:00:00Z", "2015-06-15", "day")),
        ({"onsetDateTime": "2015-06-15T23:30:00-05:00"},
         ("2015-06-16T04:30:00Z", "2015-06-15", "instant")),
        ({"onsetDateTime": "2015-06-15T00:30:00+09:30"},
         ("2015-06-14T15:00:00Z", "2015-06-15", "instant")),
        ({"onsetDateTime": "2015-06-15T23:30:00"},
         ("2015-06-15T23:30:00Z", "2015-06-15", "instant")),
        ({"onsetPeriod": {"start": "2015-06"}}, ("2015-06-01T00:00:00Z", "2015-06-01", "month")),
        ({"onsetAge": {"value": 45, "code": "a"}}, ("2006-04-09T00:00:00Z", "2006-04-09", "year")),
        ({"onsetAge": {"value": 6, "unit": "months"}},
         ("1961-10-09T00:00:00Z", "1961-10-09", "month")),
        ({"onsetAge": {"value": 10, "code": "d"}}, ("1961-04-19T00:00:00Z", "1961-04-19", "day")),
        ({"onsetRange": {"low": {"value": 40, "unit": "years"}, "high": {"value": 45}}},
         ("2001-04-09T00:00:00Z", "2001-04-09", "year")),
        ({"onsetString": "about 2006"}, ("2006-01-01T00:00:00Z", "2006-01-01", "year")),
        ({"onsetString": "at age 45"}, ("2006-04-09T00:00:00Z", "2006-04-09", "year")),
        ({"onsetString": "as a child"}, (None, None, None)),
        ({"onsetString": "before 2006"}, (None, None, None)),
    ],
)  # fmt: skip
def test_the_onset_is_as_precise_as_its_source(
    shared_member: Member, elements: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    event = take_in(shared_member, condition(**elements)).event("c")

    assert (event["at"], event["at_on"], event["precision"]) == expected


@pytest.mark.parametrize(
    ("elements", "until", "status"),
    [
        ({"abatementAge": {"value": 50, "code": "a"}}, "2011-04-09", "inactive"),
        ({"abatementRange": {"low": {"value": 50}, "high": {"value": 52, "code": "a"}}},
         "2013-04-09", "inactive"),
        ({"abatementString": "some years ago"}, None, "inactive"),
        ({"abatementString": "no, still under treatment"}, None, None),
        ({"abatementBoolean": True}, None, "inactive"),
        ({"abatementBoolean": False}, None, None),
        ({"abatementDateTime": "2010-05"}, "2010-05-01", "inactive"),
        ({"abatementDateTime": "2010-05", "clinicalStatus": "resolved"}, "2010-05-01", "resolved"),
    ],
)  # fmt: skip
def test_an_abated_condition_has_ended(
    shared_member: Member, elements: dict[str, Any], until: str | None, status: str | None
) -> None:
    chart = take_in(shared_member, condition(onsetAge={"value": 45, "code": "a"}, **elements))

    event = chart.event("c")
    assert (event["until_on"], event["status"]) == (until, status)
    assert chart.record("c")["details"]["onset"] == "45 a"


def test_ages_follow_a_corrected_birth_date(shared_member: Member) -> None:
    chart = take_in(shared_member, condition(onsetAge={"value": 45, "code": "a"}), birthDate=None)
    unknown = chart.event("c")["at"]
    path = f"/patients/{chart.patient['id']}"

    shared_member.patch(path, json={"birth_date": "1950-02-01"})

    assert (unknown, chart.event("c")["at_on"]) == (None, "1995-02-01")
    upload(
        shared_member,
        write_ndjson({"resourceType": "Patient", "id": "p", "birthDate": "1940-02-01"}),
        query=f"?source={chart.patient['source']}",
    )
    assert chart.event("c")["at_on"] == "1995-02-01"  # the correction stays
    released = shared_member.delete(f"{path}/corrections/birth_date")
    assert released.status_code == 200, released.text
    assert chart.event("c")["at_on"] == "1985-02-01"


@pytest.mark.parametrize(
    ("resource", "start", "end"),
    [
        (observation("x", effectiveDateTime=None, effectiveTiming={"event": ["2019-05-05"]}),
         "2019-05-05", None),
        (observation("x", effectiveDateTime=None,
                     effectiveTiming={"event": ["2019-05-07", "2019-05-05"]}),
         "2019-05-05", "2019-05-07"),
        (observation("x", effectiveDateTime=None,
                     effectiveTiming={"repeat": {"boundsPeriod": {"start": "2019-05-05"}}}),
         "2019-05-05", None),
        (observation("x", effectiveDateTime=None, effectiveTiming={"code": {"text": "daily"}}),
         None, None),
        (observation("x", effectiveDateTime=None, effectiveInstant="2019-05-06T08:00:00.123Z"),
         "2019-05-06", None),
        (observation("x", effectiveDateTime=None,
                     effectivePeriod={"start": "2019-05-07", "end": "2019-05-09"}),
         "2019-05-07", "2019-05-09"),
        (drug("MedicationRequest", "x", dosageInstruction=[
            {"timing": {"repeat": {"boundsPeriod": {"start": "2006-12-05", "end": "2007-03-05"}}}},
        ]), "2006-12-05", "2007-03-05"),
        (drug("MedicationRequest", "x", dosageInstruction=[
            {"timing": {"repeat": {"boundsPeriod": {"start": "2006-12-05", "end": "2007-03-05"}}}},
            {"timing": {"repeat": {"boundsPeriod": {"start": "2006-11-05"}}}},
        ]), "2006-11-05", None),
        (drug("MedicationRequest", "x",
              dispenseRequest={"validityPeriod": {"start": "2006-12-05", "end": "2007-03-05"}}),
         "2006-12-05", "2007-03-05"),
        (drug("MedicationRequest", "x"), None, None),
        (drug("MedicationDispense", "x", whenHandedOver="2022-01-06"), "2022-01-06", None),
        (drug("MedicationAdministration", "x", effectivePeriod={"start": "2022-01-05"}),
         "2022-01-05", None),
        (about("Procedure", "x", performedAge={"value": 20, "code": "a"}), "1981-04-09", None),
    ],
)  # fmt: skip
def test_bounds_are_read_from_each_form_of_time(
    shared_member: Member, resource: dict[str, Any], start: str | None, end: str | None
) -> None:
    record = take_in(shared_member, resource).record("x")

    assert (record["start_on"], record["end_on"]) == (start, end)
    assert record["at_on"] == start


def test_the_last_encounter_is_the_local_day_of_one_that_took_place(shared_member: Member) -> None:
    def visit(number: int, status: str | None, start: str | None) -> dict[str, Any]:
        period = {"period": {"start": start}} if start else {}
        return about(
            "Encounter", f"e{number}", status=status, **{"class": {"code": "AMB"}}, **period
        )

    chart = take_in(
        shared_member,
        visit(1, "finished", None),
        visit(2, "planned", "2031-01-01T10:00:00Z"),
        visit(3, "cancelled", "2023-01-01T10:00:00Z"),
        visit(4, "finished", "2021-12-31T20:30:00-05:00"),
        visit(5, "entered-in-error", "2023-01-01"),
        visit(6, "finished", "2098-01-01"),
        visit(7, "unknown", "2023-01-01"),
        visit(8, None, "2023-01-01"),
    )

    assert chart.patient["last_encounter_on"] == "2021-12-31"
    assert chart.record("e6")["date_problem"] == "in_future"
    assert chart.event("e6")["at"] is None
    assert chart.event("e2")["at_on"] == "2031-01-01"


@pytest.mark.parametrize(
    ("elements", "shown"),
    [
        ({"birthDate": "2001-11-30T00:00:00+02:00"}, ("2001-11-30", None, False, None)),
        ({"birthDate": "1980-02-30"}, (None, None, False, None)),
        ({"birthDate": "2087-01-01"}, (None, None, False, "birth_in_future")),
        ({"birthDate": "0001-01-01"}, (None, None, False, "birth_too_early")),
        ({"deceasedDateTime": "2022-03-31T21:15:00-05:00"},
         ("1961-04-09", "2022-03-31", True, None)),
        ({"deceasedDateTime": "2031-01-01"}, ("1961-04-09", None, True, "death_in_future")),
        ({"deceasedDateTime": "1950-01-01"}, (None, None, True, "death_before_birth")),
        ({"deceasedDateTime": "1961"}, ("1961-04-09", "1961-01-01", True, None)),
        ({"deceasedDateTime": "junk"}, ("1961-04-09", None, True, None)),
    ],
)  # fmt: skip
def test_births_and_deaths_are_local_days_and_possible(
    shared_member: Member, elements: dict[str, Any], shown: tuple[Any, ...]
) -> None:
    patient = take_in(shared_member, **elements).patient

    names = ("birth_date", "deceased_on", "deceased", "date_problem")
    assert tuple(patient[name] for name in names) == shown
    if shown[3] is not None:
        assert set(patient["impossible_dates"].values()) <= {
            *elements.values(), "1961-04-09", *(f"{value}T00:00:00Z" for value in elements.values())
        }  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        (condition("x", onsetDateTime="2020-05-05", abatementDateTime="2019-01-01"),
         "ends_before_start"),
        (condition("x", onsetDateTime="2020-05-05", abatementDateTime="2020"), None),
        (condition("x", onsetDateTime="2020-05-05T10:00:00Z", abatementDateTime="2020-05-05"),
         None),
        (condition("x", onsetAge={"value": 50, "code": "a"}, **ENDED), None),
        (condition("x", onsetAge={"value": 55, "code": "a"}, **ENDED), "ends_before_start"),
        (condition("x", onsetDateTime="2098-05-05"), "in_future"),
        (observation("x", effectiveDateTime="1066-10-14"), "too_early"),
        (drug("MedicationRequest", "x", authoredOn="2020-01-01",
              dispenseRequest={"validityPeriod": {"end": "2098-01-01"}}), None),
    ],
)  # fmt: skip
def test_impossible_dates_are_marked_and_not_used(
    shared_member: Member, resource: dict[str, Any], problem: str | None
) -> None:
    chart = take_in(shared_member, resource)

    assert chart.record("x")["date_problem"] == problem
    assert (chart.event("x")["at"] is None) == (problem is not None)
    assert chart.record("x")["start_on"] is not None


def test_times_without_a_zone_are_in_the_tenants(
    make_tenant: MakeTenant, as_member: AsMember
) -> None:
    member = as_member(make_tenant(time_zone="America/New_York"))

    chart = take_in(member, condition(onsetDateTime="2015-06-15T23:30:00"))

    assert member.get("/me").json["tenant"]["time_zone"] == "America/New_York"
    record = chart.record("c")
    assert (record["start_at"], record["start_on"]) == ("2015-06-16T03:30:00Z", "2015-06-15")
    assert record["start_offset"] == -240


def test_days_of_recording_are_local_and_said_to_be_so(shared_member: Member) -> None:
    recorded = condition(recordedDate="2015-06-15T23:30:00-05:00")
    event = take_in(shared_member, recorded).event("c")

    assert (event["at_on"], event["dated_by"]) == ("2015-06-15", "recording")
