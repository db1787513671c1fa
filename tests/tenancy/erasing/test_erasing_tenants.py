"""A tenant is erased from every store, and its neighbour keeps everything."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from erased_fleets import databases_with, erasure_of, statistics_with
from flask import Flask
from members import AsMember, MakeFact, MakePatient, MakeTenant, Member
from tenant_databases import ask

from trially.auth.roles import Role
from trially.database.model import CatalogModel
from trially.errors import OperatorError
from trially.state import state_of
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.restoring import verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.erasing.catalog_stores import (
    KEPT,
    WITHOUT_TENANT_ID,
    WITHOUT_TENANTS,
    tables_of_tenants,
)
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


def test_a_tenant_can_be_brought_back_in_the_period(
    app: Flask, run_command: RunCommand, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    member = as_member(tenant, Role.OWNER)

    ordered = run_json(
        run_command, "tenants", "erase", tenant.slug, "--after", "30d", "--yes", tenant.slug
    )

    assert ordered["status"] == "suspended"
    assert ordered["erase_after"]
    refused = member.get("/patients")
    assert (refused.status_code, refused.json["code"]) == (403, "tenant_leaving")
    assert refused.json["erase_after"][:10] == ordered["erase_after"][:10]
    [listed] = run_json(run_command, "tenants", "list", tenant.slug)
    assert listed["erase_after"] == ordered["erase_after"]
    assert "--cancel" in run_command("tenants", "resume", tenant.slug).stderr
    assert "No erasure is due" in run_command("tenants", "erase", "--due").stdout

    cancelled = run_json(run_command, "tenants", "erase", tenant.slug, "--cancel")

    assert (cancelled["status"], cancelled["erase_after"]) == ("active", None)
    assert member.get("/patients").status_code == 200
    [record] = [
        each["details"]["erasure_ordered"]
        for each in member.get("/audit").json["data"]
        if "erasure_ordered" in (each["details"] or {})
    ]
    assert record["after"][:10] == ordered["erase_after"][:10]
    assert run_command("tenants", "erase", tenant.slug, "--cancel").exit_code == 1


def test_strangers_are_not_told_that_a_tenant_leaves(
    run_command: RunCommand, make_tenant: MakeTenant, as_member: AsMember, app: Flask
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    run_json(run_command, "tenants", "erase", tenant.slug, "--yes", tenant.slug)
    token = state_of(app).dev_issuer.issue_token(subject="stranger", tenant=tenant.slug)

    answer = Member(app.test_client(), token, tenant, "stranger").get("/patients")

    assert (answer.status_code, answer.json["code"]) == (403, "no_tenant_access")


def test_the_slug_must_be_typed(run_command: RunCommand, make_tenant: MakeTenant) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)

    asked = run_command("tenants", "erase", tenant.slug)
    mistyped = run_command("tenants", "erase", tenant.slug, "--yes", "another")

    assert f"--yes {tenant.slug}" in asked.stderr
    assert "Nothing was changed" in mistyped.stderr
    assert run_json(run_command, "tenants", "show", tenant.slug)["status"] == "active"


def test_a_legal_hold_blocks_an_erasure_until_it_is_released(
    run_command: RunCommand, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    due = ("tenants", "erase", "--due")
    order = ("tenants", "erase", tenant.slug, "--after", "1s", "--yes", tenant.slug)
    run_json(run_command, *order)
    held = run_json(run_command, "tenants", "erase", tenant.slug, "--legal-hold", "Litigation 7")
    assert held["legal_hold"] == "Litigation 7"
    time.sleep(1.1)

    refused = run_command(*order)
    waits = run_json(run_command, *due)
    released = run_json(run_command, "tenants", "erase", tenant.slug, "--release-hold")
    erased = run_json(run_command, *due)

    assert "Litigation 7" in refused.stderr
    assert waits == []
    assert released["legal_hold"] is None
    assert [each["tenant_id"] for each in erased] == [str(tenant.id)]
    assert str(tenant.id) in run_command("tenants", "erased").stdout
    printed = run_command("tenants", "erased", str(tenant.id)).stdout
    assert "Certificate of erasure" in printed


def test_a_slug_of_an_erased_tenant_stays_reserved(
    run_command: RunCommand, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    run_command("tenants", "rename", tenant.slug, f"{tenant.slug}-new", "--yes")
    run_json(run_command, "tenants", "erase", tenant.slug, "--now", "--yes", f"{tenant.slug}-new")

    for slug in (tenant.slug, f"{tenant.slug}-new"):
        again = run_command("tenants", "create", slug, "--name", "Again")
        assert "already taken" in again.stderr


def test_a_dry_run_says_what_each_store_holds(
    run_command: RunCommand, make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient
) -> None:
    tenant = make_tenant(Tier.OWN_SCHEMA)
    make_patient(as_member(tenant))

    found = run_json(run_command, "tenants", "erase", tenant.slug, "--dry-run")

    counts = {each["store"]: each["holds"] for each in found}
    assert counts["catalog, table membership_index"] == 1
    assert counts["all databases of the server default"] > 3
    assert run_json(run_command, "tenants", "show", tenant.slug)["status"] == "active"


def test_a_changed_certificate_is_refused(
    run_command: RunCommand, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    tenant, file = make_tenant(Tier.POOLED_ROWS), tmp_path / "certificate.json"
    order = ("tenants", "erase", tenant.slug, "--now", "--yes", tenant.slug)
    run_json(run_command, *order, "--certificate", file)
    file.write_text(file.read_text().replace("trially-erasure/1", "trially-erasure/2"))

    refused = run_command("tenants", "erase", "--verify", file)

    assert "The signature is invalid" in refused.stderr


@pytest.mark.usefixtures("app")  # It has imported all tables.
def test_every_table_of_the_catalog_is_erased_or_named() -> None:
    """A new table has a `tenant_id`, or is named with the reason why it needs no erasing."""
    for table in CatalogModel.metadata.sorted_tables:
        named = {*WITHOUT_TENANTS, *WITHOUT_TENANT_ID, "tenant"}
        assert ("tenant_id" in table.c) != (table.name in named), (
            f"The table {table.name} has no tenant_id. If it can say something about a tenant, let"
            " `erasing/catalog_stores` erase that; if not, name it in WITHOUT_TENANTS."
        )
    assert set(KEPT) <= {each.name for each in tables_of_tenants()}


def test_the_placements_that_a_tenant_has_left_are_erased_too(
    app: Flask,
    run_command: RunCommand,
    leaving: Callable[[Tier], tuple[Member, Member, str]],
) -> None:
    member, _, marker = leaving(Tier.POOLED_ROWS)
    slug = member.tenant.slug
    moved = run_command(
        *("tenants", "move", slug, "--to-tier", "dedicated_database", "--max-pause", "5s")
    )
    assert moved.exit_code == 0, moved.output

    signed = run_json(run_command, "tenants", "erase", slug, "--now", "--yes", slug)

    stores = signed["certificate"]["stores"]
    placements = [each for each in stores if each["store"].startswith("placement")]
    assert [each["after"] for each in placements] == [0, 0]
    assert all(each["before"] > 5 for each in placements)
    assert databases_with(app, marker) == []


def test_nobody_can_open_the_archive_of_an_erased_tenant(
    app: Flask,
    run_command: RunCommand,
    leaving: Callable[[Tier], tuple[Member, Member, str]],
    tmp_path: Path,
) -> None:
    member, other, marker = leaving(Tier.POOLED_ROWS)
    slug = member.tenant.slug
    with app.app_context():
        options = BackupOptions(place=tmp_path.as_uri())
        archives = [back_up(each, options) for each in (slug, other.tenant.slug)]
        manifests = [verify_before(each.url) for each in archives]

    signed = run_json(run_command, "tenants", "erase", slug, "--now", "--yes", slug)

    assert all(manifest.tables for manifest in manifests)
    [listed] = [
        each
        for each in signed["certificate"]["stores"]
        if each["store"] == f"archive {archives[0].id}"
    ]
    assert (listed["after"], listed["details"]["url"]) == (1, archives[0].url)
    assert "version 1 of the data key" in listed["remains"]
    with app.app_context():
        with pytest.raises(OperatorError):
            verify_before(archives[0].url)
        assert verify_before(archives[1].url).tables
    assert databases_with(app, marker) == []


def test_witnesses_forget_an_erased_tenant(
    app: Flask,
    run_command: RunCommand,
    make_tenant: MakeTenant,
    as_member: AsMember,
    tmp_path: Path,
) -> None:
    state = state_of(app)
    tenants = [make_tenant(Tier.POOLED_ROWS) for _ in range(2)]
    before, state.settings = (
        state.settings,
        replace(state.settings, audit_witnesses=(str(tmp_path),)),
    )
    try:
        for each in tenants:
            as_member(each, Role.OWNER).get("/patients")
            assert run_command("audit", "seal", each.slug).exit_code == 0
        kept = {each.name for each in tmp_path.iterdir()}
        slug = tenants[0].slug
        signed = run_json(run_command, "tenants", "erase", slug, "--now", "--yes", slug)
    finally:
        state.settings = before

    [witness] = [
        each for each in signed["certificate"]["stores"] if each["store"].startswith("witness")
    ]
    assert witness["before"] >= 1
    assert witness["after"] == 0
    left = {each.name for each in tmp_path.iterdir()}
    assert kept - left == {f"audit_record-{tenants[0].id}.jsonl"}


def test_a_certificate_has_the_folders_of_silos_without_the_slug(
    run_command: RunCommand, make_tenant: MakeTenant, tmp_path: Path
) -> None:
    marker = f"zq{uuid4().hex[:10]}"
    tenant, neighbour = make_tenant(Tier.POOLED_ROWS, slug=marker), make_tenant(Tier.POOLED_ROWS)
    for each in (tenant, neighbour):
        folder = tmp_path / f"silo-of-{each.slug}"
        assert run_command("tenants", "silo", each.slug, "--out", folder).exit_code == 0

    erased = run_json(run_command, "tenants", "erase", marker, "--now", "--yes", marker)

    name = "folders of silos on this host"
    [store] = [each for each in erased["certificate"]["stores"] if each["store"] == name]
    assert (store["before"], store["after"]) == (1, 1)
    assert "Erase the tenant there" in store["remains"]
    assert store["details"] == {"found": [str(tmp_path / "silo-of-(slug)")]}
    assert marker not in json.dumps(erased["certificate"])
    assert (tmp_path / f"silo-of-{marker}" / "settings.env").exists()


def test_a_certificate_names_servers_without_known_base_backups(
    run_command: RunCommand, make_tenant: MakeTenant
) -> None:
    slug = make_tenant(Tier.OWN_SCHEMA).slug
    erased = run_json(run_command, "tenants", "erase", slug, "--now", "--yes", slug)

    [note] = [each for each in erased["certificate"]["notes"] if "the server default" in each]
    assert "knows of no base backups" in note
