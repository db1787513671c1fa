"""Another time zone of a tenant or a source moves the instants of times without an offset."""

import json
from collections.abc import Callable
from typing import Any

from flask import Flask
from members import AsMember, MakeTenant, Member

from tests.recruiting.imports.charts import Chart, about, condition, import_more, observation
from trially.database.session import transaction
from trially.recruiting.imports.rezoning import count_outdated, rezone_some, rezone_source
from trially.tenancy.context import tenant_context

PERSON = {"resourceType": "Patient", "id": "p", "deceasedDateTime": "2022-07-01T23:30:00"}
RECORDS = [
    observation("local", effectiveDateTime="2021-07-01T23:30:00"),
    observation("fixed", effectiveDateTime="2021-07-01T23:30:00+02:00"),
    observation("day", effectiveDateTime="2021-07-01"),
    condition(
        "mixed", onsetDateTime="2021-07-01T09:00:00", abatementDateTime="2021-07-01T12:00:00Z"
    ),
    about("Encounter", "visit", status="finished", period={"start": "2021-12-31T20:00:00"}),
]


def load(member: Member, source: str) -> Chart:
    return import_more(member, source, PERSON, *RECORDS)


def instants(chart: Chart) -> dict[str, Any]:
    return {record["source_id"]: (record["at"], record["at_on"]) for record in chart.records()}


IN_UTC = {
    "local": ("2021-07-01T23:30:00Z", "2021-07-01"),
    "fixed": ("2021-07-01T21:30:00Z", "2021-07-01"),
    "day": ("2021-07-01T00:00:00Z", "2021-07-01"),
    "mixed": ("2021-07-01T09:00:00Z", "2021-07-01"),
    "visit": ("2021-12-31T20:00:00Z", "2021-12-31"),
}
IN_CHICAGO = IN_UTC | {
    "local": ("2021-07-02T04:30:00Z", "2021-07-01"),
    "mixed": (None, None),  # from 14:00Z to 12:00Z
    "visit": ("2022-01-01T02:00:00Z", "2021-12-31"),
}


def test_a_tenants_zone_moves_the_records_of_sources_without_one(
    make_tenant: MakeTenant, as_member: AsMember, run_command: Callable[..., Any]
) -> None:
    member = as_member(make_tenant())
    slug = member.tenant.slug
    chart, other = load(member, "epic"), load(member, "own")
    own = member.get("/sources?name=own").json["data"][0]
    member.patch(f"/sources/{own['id']}", json={"time_zone": "UTC"})
    assert instants(chart) == IN_UTC

    tried = run_command("tenants", "set", slug, "--time-zone", "America/Chicago", "--dry-run")
    assert "5 records" not in tried.output
    assert "4 records" in tried.output
    assert instants(chart) == IN_UTC

    done = run_command("tenants", "set", slug, "--time-zone", "America/Chicago", "--json")
    assert json.loads(done.output)["records"] == {"epic": 4}
    assert instants(chart) == IN_CHICAGO
    assert instants(other) == IN_UTC
    assert chart.record("mixed")["date_problem"] == "ends_before_start"
    patient = member.get(f"/patients/{chart.patient['id']}").json
    assert (patient["deceased_at"], patient["deceased_on"]) == (
        "2022-07-02T04:30:00Z",
        "2022-07-01",
    )
    assert patient["last_encounter_on"] == "2021-12-31"
    assert patient["clinical_version"] > chart.patient["clinical_version"]

    again = run_command("tenants", "set", slug, "--time-zone", "America/Chicago", "--json")
    assert json.loads(again.output)["records"] == {}
    assert load(member, "epic").job["counts"]["Observation"]["changed"] == 1

    run_command("tenants", "set", slug, "--time-zone", "UTC")
    assert instants(chart) == IN_UTC


def test_an_unknown_zone_changes_nothing(
    make_tenant: MakeTenant, as_member: AsMember, run_command: Callable[..., Any]
) -> None:
    member = as_member(make_tenant())
    refused = run_command("tenants", "set", member.tenant.slug, "--time-zone", "Mars/Olympus")

    assert refused.exit_code == 1
    assert "Mars/Olympus" in refused.output
    assert member.get("/me").json["tenant"]["time_zone"] == "UTC"


def test_a_sources_zone_moves_its_records_at_once(shared_member: Member) -> None:
    chart = load(shared_member, "moving")
    source = shared_member.get("/sources?name=moving").json["data"][0]
    changed = shared_member.patch(f"/sources/{source['id']}", json={"time_zone": "America/Chicago"})

    assert changed.status_code == 200
    assert instants(chart) == IN_CHICAGO
    shared_member.patch(f"/sources/{source['id']}", json={"time_zone": None})
    assert instants(chart) == IN_UTC


def test_an_interrupted_change_is_continued(app: Flask, shared_member: Member) -> None:
    chart = load(shared_member, "interrupted")
    with app.app_context(), tenant_context(str(shared_member.tenant.id)):
        with transaction():
            assert rezone_some("interrupted", "America/Chicago", most=2) == 2
            assert count_outdated("interrupted", "America/Chicago") == 2
        assert rezone_source("interrupted", "America/Chicago") == 2
        assert rezone_source("interrupted", "America/Chicago") == 0
    assert instants(chart) == IN_CHICAGO

    # The next import of the source reads the times in the zone that applies.
    import_more(shared_member, "interrupted", {**PERSON, "gender": "male"})
    assert instants(chart) == IN_UTC
