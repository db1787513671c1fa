"""Rows are compared with a restored copy of the tenant, and taken back from it."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import Member

from trially.auth.roles import PhiLevel, Role
from trially.auth.support import entering, grants
from trially.state import state_of
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.operators.persons import Person

Run = Callable[..., Any]


@pytest.fixture
def copy_of(app: Flask, tmp_path: Path) -> Callable[[Member], str]:
    """Make a copy of a member's tenant, and return its slug."""

    def copy(member: Member) -> str:
        slug = f"copy-{uuid4().hex[:8]}"
        with app.app_context():
            archive = back_up(member.tenant.slug, BackupOptions(place=tmp_path.as_uri()))
            manifest = verify_before(archive.url)
            restore_as(archive.url, slug, manifest, RestoreOptions(tier=Tier.POOLED_ROWS))
        return slug

    return copy


@pytest.fixture
def own_member(make_tenant, as_member, tier: Tier) -> Member:
    """An administrator of a new tenant of each tier."""
    return as_member(make_tenant(tier))


def differences(run_command: Run, member: Member, copy: str, *options: str) -> dict[str, Any]:
    result = run_command("tenants", "diff-data", member.tenant.slug, copy, *options, "--json")
    assert result.exit_code == 0, result.output
    return {each["table"]: each for each in json.loads(result.output)}


def take(run_command: Run, member: Member, copy: str, *options: str) -> Any:
    return run_command("tenants", "diff-data", member.tenant.slug, copy, *options)


def test_a_copy_is_equal_until_something_changes(
    own_member: Member, copy_of, make_patient, run_command: Run
) -> None:
    changed, deleted = make_patient(own_member), make_patient(own_member, family_name="Secret")
    copy = copy_of(own_member)
    assert differences(run_command, own_member, copy) == {}

    answer = own_member.get(f"/patients/{changed['id']}")
    own_member.patch(
        f"/patients/{changed['id']}",
        json={"given_name": "Other"},
        headers={"If-Match": answer.headers["ETag"]},
    )
    own_member.delete(f"/patients/{deleted['id']}")
    added = make_patient(own_member)

    found = differences(run_command, own_member, copy, "--table", "patient")["patient"]
    assert found["added"] == [added["id"]]
    assert found["removed"] == [deleted["id"]]
    assert found["changed"] == [changed["id"]]
    shown = take(run_command, own_member, copy).output
    assert deleted["id"] in shown
    assert "Secret" not in shown


def delete_patients(member: Member) -> None:
    for each in member.get("/patients").json["data"]:
        assert member.delete(f"/patients/{each['id']}").status_code == 204


def test_values_are_shown_with_a_grant_and_on_the_record(
    app: Flask, own_member: Member, copy_of, make_patient, run_command: Run, monkeypatch
) -> None:
    patient = make_patient(own_member, given_name="Before")
    copy = copy_of(own_member)
    own_member.patch(f"/patients/{patient['id']}", json={"given_name": "After"})
    options = ("--table", "patient", "--show-values", "--json")

    refused = take(run_command, own_member, copy, *options)
    allow(app, own_member, monkeypatch)
    found = differences(run_command, own_member, copy, *options[:-1])["patient"]

    assert "no support grant" in refused.output
    assert "Before" not in refused.output
    names = {"given_name": {"then": "Before", "now": "After"}}
    assert names.items() <= found["values"][patient["id"]].items()
    listed = run_command("audit", "list", own_member.tenant.slug, "--json").output
    shown = [each for each in json.loads(listed) if "diff-data" in each["route"]]
    assert [patient["id"]] in [each["patients"] for each in shown]


def allow(app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the person who runs the commands a grant that covers everything."""

    def be(name: str) -> None:
        for module in (grants, entering):
            monkeypatch.setattr(module, "current_person", lambda: Person(name, "here"))

    with app.app_context():
        be("jo")
        asked = grants.request_grant(
            member.tenant.slug,
            "ops|7",
            issuer=state_of(app).dev_issuer.url,
            reason="Rows were lost.",
            ticket="T-1",
            duration=dt.timedelta(hours=1),
            role=Role.ADMIN,
            phi_level=PhiLevel.FULL,
        )
        be("kim")
        grants.approve_grant(asked.id)
        be("jo")


def test_a_deleted_row_is_taken_back_with_what_belongs_to_it(
    app: Flask, own_member: Member, copy_of, make_patient, run_command: Run
) -> None:
    deleted, other = make_patient(own_member, family_name="Lost"), make_patient(own_member)
    copy = copy_of(own_member)
    delete_patients(own_member)
    added = make_patient(own_member)

    dry = take(run_command, own_member, copy, "--take-back", "patient", "--dry-run")
    assert "Nothing was written." in dry.output
    assert own_member.get(f"/patients/{deleted['id']}").status_code == 404
    options = ("--take-back", "patient", "--key", deleted["id"])
    result = take(run_command, own_member, copy, *options)

    assert result.exit_code == 0, result.output
    taken = own_member.get(f"/patients/{deleted['id']}").json
    assert {**taken, "updated_at": None} == {**deleted, "updated_at": None}
    assert own_member.get(f"/patients/{other['id']}").status_code == 404
    assert own_member.get(f"/patients/{added['id']}").status_code == 200
    found = own_member.post("/patients/search", json={"family_name": "lost"}).json["data"]
    assert [each["id"] for each in found] == [deleted["id"]]


def test_an_erased_person_is_never_taken_back(
    own_member: Member, copy_of, make_patient, run_command: Run
) -> None:
    patient = make_patient(own_member)
    copy = copy_of(own_member)
    path = f"/patients/{patient['id']}"
    erased = own_member.post(f"{path}/erasure", json={"reason": "request"})
    assert erased.status_code == 200

    result = take(run_command, own_member, copy, "--take-back", "patient")
    named = ("--take-back", "patient", "--key", patient["id"])
    refused = take(run_command, own_member, copy, *named)

    assert result.exit_code == 0, result.output
    assert "about a person who was erased" in refused.output
    assert own_member.get(path).status_code == 404


def test_a_changed_row_gets_its_former_values_and_a_new_version(
    own_member: Member, copy_of, make_patient, run_command: Run
) -> None:
    patient = make_patient(own_member, given_name="Before")
    copy = copy_of(own_member)
    path = f"/patients/{patient['id']}"
    tag = own_member.get(path).headers["ETag"]
    changed = own_member.patch(path, json={"given_name": "After"}, headers={"If-Match": tag})

    options = ("--take-back", "patient", "--where-changed")
    refused = take(run_command, own_member, copy, *options)
    assert refused.exit_code != 0
    assert "will be lost" in refused.output
    result = take(run_command, own_member, copy, *options, "--yes")

    assert result.exit_code == 0, result.output
    answer = own_member.get(path)
    assert answer.json["given_name"] == "Before"
    assert answer.headers["ETag"] not in (tag, changed.headers["ETag"])
    assert differences(run_command, own_member, copy) == {}


def test_members_and_unknown_tables_are_refused(
    own_member: Member, copy_of, run_command: Run
) -> None:
    copy = copy_of(own_member)

    assert (
        "say who may sign in" in take(run_command, own_member, copy, "--take-back", "member").output
    )
    unknown = take(run_command, own_member, copy, "--take-back", "nonsense")
    assert "There is no table nonsense" in unknown.output
    other = take(run_command, own_member, copy, "--take-back", "study", "--key", str(uuid4()))
    assert "nothing to take back for the key" in other.output
