"""Settings of a tenant: who changes them, what holds, and what another tenant has of it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from members import AsMember, Member
from owners import OwnerIn, RunJobs

from tests.recruiting.imports.charts import import_more, observation
from trially.auth.members.managing import remove_member
from trially.auth.roles import Role
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import directory

OWN = {
    "locale": "de-AT",
    "contact_name": "Noor van den Berg",
    "contact_email": "noor@example.org",
    "contact_phone": "+43 1 555 0117",
    "audit_retention_years": 12,
}


def test_settings_are_changed_in_one_tenant_only(
    owner_in: OwnerIn, tier: Tier, run_jobs: RunJobs, app: Flask
) -> None:
    ours, theirs = owner_in(tier), owner_in(tier)
    before = theirs.get("/settings").json

    changed = ours.patch(
        "/settings", json={**OWN, "name": "Neue Klinik", "time_zone": "Europe/Vienna"}
    )

    assert changed.status_code == 200, changed.json
    expected = {**OWN, "name": "Neue Klinik", "time_zone": "Europe/Vienna"}
    assert {name: changed.json[name] for name in expected} == expected
    assert ours.get("/settings").json == changed.json
    run_jobs()
    assert ours.get("/settings").json == changed.json
    assert theirs.get("/settings").json == before
    with app.app_context():
        entry = directory().find(str(ours.tenant.id), fresh=True)
    assert (entry.name, entry.time_zone) == ("Neue Klinik", "Europe/Vienna")
    assert ours.get("/me").json["tenant"]["time_zone"] == "Europe/Vienna"


def test_a_change_names_the_version_that_was_seen(owner: Member) -> None:
    seen = owner.get("/settings").headers["ETag"]
    first = owner.patch("/settings", json={"locale": "fr"}, headers={"If-Match": seen})
    late = owner.patch("/settings", json={"locale": "it"}, headers={"If-Match": seen})

    assert (first.status_code, late.status_code) == (200, 412)
    assert late.json["code"] == "version_conflict"
    assert owner.get("/settings").json["locale"] == "fr"
    unchanged = owner.get("/settings", headers={"If-None-Match": first.headers["ETag"]})
    assert unchanged.status_code == 304
    unnamed = owner.request(
        "PATCH", "/settings", json={}, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert unnamed.status_code == 428


def test_the_etag_tells_that_an_operator_has_changed_the_time_zone(
    owner: Member, run_command: Callable[..., Any]
) -> None:
    seen = owner.get("/settings").headers["ETag"]

    run_command("tenants", "set", owner.tenant.slug, "--time-zone", "Asia/Tokyo")

    now = owner.get("/settings", headers={"If-None-Match": seen})
    assert (now.status_code, now.json["time_zone"]) == (200, "Asia/Tokyo")
    refused = owner.patch("/settings", json={"locale": "ja"}, headers={"If-Match": seen})
    assert refused.status_code == 412


def test_a_publication_that_runs_late_undoes_no_later_wish(
    owner: Member, run_jobs: RunJobs
) -> None:
    for name in ("First", "Second", "Third"):
        assert owner.patch("/settings", json={"name": name}).status_code == 200

    run_jobs()

    assert owner.get("/settings").json["name"] == "Third"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"locale": "english please"}, "/locale"),
        ({"contact_email": "nobody"}, "/contact_email"),
        ({"audit_retention_years": 0}, "/audit_retention_years"),
        ({"name": None}, "/name"),
        ({"name": "a\u202eb"}, "/name"),
        ({"plan": "enterprise"}, "/plan"),
    ],
)
def test_what_no_tenant_can_set_is_refused(
    owner: Member, change: dict[str, object], pointer: str
) -> None:
    refused = owner.patch("/settings", json=change)

    assert refused.status_code == 422, refused.json
    assert [error["pointer"] for error in refused.json["errors"]] == [pointer]


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.OWNER, Role.ADMIN)])
@pytest.mark.parametrize("path", ["/settings", "/settings/branding"])
def test_other_members_neither_read_nor_change_settings(
    owner: Member, as_member: AsMember, role: Role, path: str
) -> None:
    other = as_member(owner.tenant, role)

    assert other.get(path).status_code == 403
    assert other.patch(path, json={}, headers={"If-Match": "*"}).status_code == 403


def test_a_change_is_in_the_audit_log(owner: Member) -> None:
    owner.patch("/settings", json={"contact_name": "Ada", "name": "Audited"})

    changes = [change for each in owner.get("/audit").json["data"] for change in each["changes"]]
    found = [each["values"] for each in changes if each["table"] == "tenant_setting"]
    assert {"contact_name": [None, "Ada"]} in found
    assert {"name": [owner.tenant.name, "Audited"]} in found


def test_a_change_of_nothing_is_none(owner: Member) -> None:
    seen = owner.get("/settings").json
    for _ in range(2):
        answer = owner.patch("/settings", json={})
        assert answer.status_code == 200
        assert {**answer.json, "etag": None} == {**seen, "etag": None}


def test_times_without_an_offset_are_read_in_the_new_zone(owner: Member, run_jobs: RunJobs) -> None:
    chart = import_more(
        owner,
        "epic",
        {"resourceType": "Patient", "id": "p"},
        observation("local", effectiveDateTime="2021-07-01T23:30:00"),
        observation("fixed", effectiveDateTime="2021-07-01T23:30:00+02:00"),
    )

    owner.patch("/settings", json={"time_zone": "America/Chicago"})
    run_jobs()

    instants = {record["source_id"]: record["at"] for record in chart.records()}
    assert instants == {"local": "2021-07-02T04:30:00Z", "fixed": "2021-07-01T21:30:00Z"}


def test_a_change_is_published_although_the_member_has_left(
    owner: Member, as_member: AsMember, run_jobs: RunJobs, app: Flask
) -> None:
    admin = as_member(owner.tenant, Role.ADMIN)
    assert admin.patch("/settings", json={"name": "Renamed"}).status_code == 200
    with app.app_context(), tenant_context(owner.tenant.slug):
        remove_member(admin.subject)

    run_jobs()

    with app.app_context():
        assert directory().find(owner.tenant.slug, fresh=True).name == "Renamed"


def test_of_two_changes_at_once_one_is_refused(owner: Member) -> None:
    seen = {"If-Match": owner.get("/settings").headers["ETag"]}
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda number: (
                    owner.patch(
                        "/settings", json={"name": f"Name {number}"}, headers=seen
                    ).status_code
                ),
                range(4),
            )
        )

    assert sorted(answers) == [200, 412, 412, 412]
