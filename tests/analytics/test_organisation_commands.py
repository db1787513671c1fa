"""`flask organisations …` and `flask analytics …`."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import MakeTenant
from shared_patients import AddPatients, MakeNetwork, OwnerOf, accept

from trially.analytics import commands
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import current_tenant
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant

Run = Callable[..., Any]


@pytest.fixture
def name() -> str:
    """The short name of a new organisation."""
    return f"commands-{uuid4().hex[:8]}"


def test_an_organisation_from_its_creation_to_its_deletion(
    run_command: Run, tenant: Tenant, name: str
) -> None:
    created = run_command("organisations", "create", name, "--name", "Network", "--json")
    invited = run_command("organisations", "add-tenant", name, tenant.slug)
    person = ("organisations", "add-person", name, "auth0|1", "--issuer", "https://i.example.org")
    added = run_command(*person)
    shown = json.loads(run_command("organisations", "show", name, "--json").output)
    listed = json.loads(run_command("organisations", "list", "--json").output)

    organisation_id = json.loads(created.output)["id"]
    assert f"POST /api/v1/sharing/{organisation_id}/join" in invited.output
    assert added.output == f"auth0|1 is analyst of {name}.\n"
    assert [(each["tenant"], each["state"]) for each in shown["tenants"]] == [
        (tenant.slug, "invited")
    ]
    assert [each["subject"] for each in shown["people"]] == ["auth0|1"]
    [own] = [each for each in listed if each["organisation"] == name]
    assert (own["joined"], own["invited"], own["people"]) == (0, 1, 1)

    unanswered = run_command("organisations", "delete", name)
    assert unanswered.exit_code == 1
    assert "1 tenant and 1 person" in unanswered.output
    assert run_command("organisations", "delete", name, "--yes").exit_code == 0
    assert "does not exist" in run_command("organisations", "show", name).output


def test_what_does_not_exist_is_named(run_command: Run, tenant: Tenant, name: str) -> None:
    assert "does not exist" in run_command("analytics", "show", name).output
    assert run_command("organisations", "create", "x", "--name", "N").exit_code == 1
    run_command("organisations", "create", name, "--name", "N")
    again = run_command("organisations", "create", name, "--name", "N")
    assert "exists already" in again.output

    removed = run_command("organisations", "remove-tenant", name, tenant.slug, "--yes")
    assert "is not in" in removed.output
    person = ("remove-person", name, "auth0|1", "--issuer", "https://i.example.org", "--yes")
    assert "is no person of" in run_command("organisations", *person).output
    assert "does not exist" in run_command("organisations", "add-tenant", name, "no-one").output


def test_no_command_consents_for_a_tenant(
    run_command: Run, tenant: Tenant, name: str, add_patients: AddPatients
) -> None:
    add_patients(tenant, 11)
    run_command("organisations", "create", name, "--name", "Network")

    for _ in range(2):
        run_command("organisations", "add-tenant", name, tenant.slug)
        assert run_command("analytics", "count").exit_code == 0

    shown = json.loads(run_command("organisations", "show", name, "--json").output)
    assert [each["state"] for each in shown["tenants"]] == ["invited"]
    assert json.loads(run_command("analytics", "show", name, "--json").output) == []


def test_the_command_counts_each_tenant_that_consented_and_shows_sums(
    app: Flask,
    run_command: Run,
    make_tenant: MakeTenant,
    owner_of: OwnerOf,
    add_patients: AddPatients,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, fails, is_suspended = (make_tenant(Tier.POOLED_ROWS) for _ in range(3))
    created = run_command("organisations", "create", name, "--name", "Network", "--json")
    organisation_id = json.loads(created.output)["id"]
    for tenant in (one, fails, is_suspended):
        add_patients(tenant, 11)
        run_command("organisations", "add-tenant", name, tenant.slug)
        assert accept(owner_of(tenant), organisation_id).status_code == 200
    share = commands.share_counts
    failing = {str(fails.id)}

    def fail_for_one() -> Any:
        if str(current_tenant().tenant_id) in failing:
            raise RuntimeError("The count failed.")
        return share()

    monkeypatch.setattr(commands, "share_counts", fail_for_one)
    with app.app_context():
        suspend_tenant(is_suspended.slug)

    result = run_command("analytics", "count")

    assert result.exit_code == 1
    assert fails.slug in result.output
    assert is_suspended.slug not in result.output
    items = json.loads(run_command("analytics", "show", name, "--json").output)
    [patients] = [each for each in items if each["measure"] == "patients"]
    assert (patients["at_least"], patients["at_most"]) == (11, 21)
    failing.clear()
    assert run_command("analytics", "count").exit_code == 0
    assert run_command("analytics", "show", name).output.startswith("2 tenants, on ")
    with app.app_context():
        resume_tenant(is_suspended.slug)


def test_the_token_is_one_of_an_analyst(run_command: Run, make_network: MakeNetwork) -> None:
    network = make_network()

    answer = run_command("organisations", "token", network.short_name, "--json")

    network.analyst.token = json.loads(answer.output)["token"]
    assert network.answer().json["tenants"] == 0
