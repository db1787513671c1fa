"""A tenant is erased from every store, and its neighbour keeps everything."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from erased_fleets import databases_with, erasure_of, statistics_with
from flask import Flask
from members import AsMember, MakeFact, MakePatient, MakeTenant, Member
from tenant_databases import ask

from trially.auth.permissions import Role
from trially.tenancy.catalog import Tier
from trially.tenancy.erasing.model import ErasureState
from trially.tenancy.lifecycle.operations import all_operations

RunCommand = Callable[..., Any]


@pytest.fixture
def leaving(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    make_fact: MakeFact,
) -> Callable[[Tier], tuple[Member, Member, str]]:
    """Make a member of a tenant and one of its neighbour, and the marker of the tenant's data."""

    def make(tier: Tier) -> tuple[Member, Member, str]:
        marker = f"zq{uuid4().hex[:10]}"
        tenant = make_tenant(tier, slug=f"{marker}-clinic", name=f"{marker} Clinic")
        neighbour = make_tenant(tier)
        member, other = as_member(tenant, Role.OWNER), as_member(neighbour)
        for each in (member, other):
            word = marker if each is member else "Neighbour"
            patient = make_patient(each, mrn=f"{word}-1", family_name=word, given_name=word)
            make_fact(each.tenant, patient["id"], display=word)
            each.get("/patients")
        return member, other, marker

    return make


def run_json(run_command: RunCommand, *arguments: Any) -> Any:
    result = run_command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_tenant_is_erased_and_the_neighbour_is_not(
    app: Flask,
    run_command: RunCommand,
    leaving: Callable[[Tier], tuple[Member, Member, str]],
    tier: Tier,
    tmp_path: Path,
) -> None:
    member, other, marker = leaving(tier)
    tenant, database = member.tenant, member.tenant.placement.database
    before = other.get("/patients").json["data"]
    assert databases_with(app, marker)
    file = tmp_path / "certificate.json"

    signed = run_json(
        run_command,
        *("tenants", "erase", tenant.slug, "--now", "--yes", tenant.slug),
        *("--reason", "the contract has ended", "--certificate", file),
    )

    assert databases_with(app, marker) == []
    if tier is Tier.POOLED_ROWS:
        assert statistics_with(app, database, marker) == []
    certificate = signed["certificate"]
    assert certificate["tenant_id"] == str(tenant.id)
    assert certificate["reason"] == "the contract has ended"
    assert marker not in json.dumps(certificate)
    left = [each for each in certificate["stores"] if each["after"] and "remains" not in each]
    assert left == []
    [placement] = [each for each in certificate["stores"] if each["store"].startswith("placement")]
    assert placement["before"] > 5
    assert placement["after"] == 0
    assert json.loads(file.read_bytes()) == signed
    assert member.get("/patients").status_code in (401, 403)
    assert other.get("/patients").json["data"] == before
    assert ask(app, "SELECT 1 FROM pg_roles WHERE rolname = %s", tenant.placement.role) == (
        [(1,)] if tier is Tier.POOLED_ROWS else []
    )
    erasure = erasure_of(app, tenant.id)
    assert (erasure.state, erasure.counts) == (ErasureState.DONE, None)
    with app.app_context():
        [operation] = [each for each in all_operations() if each.tenant_id == tenant.id]
    assert operation.parameters == {"erasure": str(erasure.id)}
    assert run_command("tenants", "show", tenant.slug).exit_code == 1
    verified = run_command("tenants", "erase", "--verify", file)
    assert verified.exit_code == 0, verified.output
    assert str(tenant.id) in verified.stdout
