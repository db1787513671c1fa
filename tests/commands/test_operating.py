"""What operators do: administer suspended tenants, repeat commands, search, and complete names."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from click.shell_completion import ShellComplete
from flask import Flask
from flask.cli import ScriptInfo
from members import AsMember, MakeTenant
from sqlalchemy import func, select, text

from trially.auth.members.model import Member
from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.database.session import db
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import administered_tenant, tenant_context
from trially.tenancy.lifecycle import status
from trially.tenancy.schema.revision_files import CATALOG_LINEAGE, TENANT_LINEAGE

Run = Callable[..., Any]


@pytest.fixture
def succeed(run_command: Run) -> Run:
    """Run a command that must succeed, and return its output."""

    def run(*arguments: str) -> str:
        result = run_command(*arguments)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    return run


@pytest.fixture(scope="module")
def tenant(tier: Tier, make_tenant: MakeTenant) -> Tenant:
    """A tenant of each tier."""
    return make_tenant(tier)


def test_a_suspended_tenant_is_administered(
    app: Flask, succeed: Run, run_command: Run, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    neighbour = make_tenant(Tier(tenant.placement.tier))
    succeed("tenants", "members", "add", neighbour.slug, "--subject", "n", "--role", "owner")
    slug, members = tenant.slug, ("tenants", "members")
    intruder = ("--subject", "intruder")
    succeed(*members, "add", slug, "--subject", "ann", "--role", "owner")
    succeed(*members, "add", slug, *intruder, "--role", "admin")
    succeed("tenants", "suspend", slug, "--yes")
    try:
        succeed(*members, "remove", slug, *intruder, "--yes")
        succeed(*members, "add", slug, "--subject", "bob", "--role", "viewer")
        succeed(*members, "change", slug, "--subject", "bob", "--role", "admin")
        listed = json.loads(succeed(*members, "list", slug, "--json"))
        assert succeed(*members, "reindex", slug).endswith("Members: 2.\n")
        assert json.loads(succeed("imports", "list", slug, "--json")) == []
        assert "is suspended" in run_command("tenants", "token", slug, "--role", "viewer").output
        with app.app_context(), tenant_context(slug), pytest.raises(TenantSuspendedError):
            db.session.scalar(text("SELECT 1"))
    finally:
        succeed("tenants", "resume", slug)

    assert {(each["subject"], each["role"]) for each in listed} == {
        ("ann", "owner"),
        ("bob", "admin"),
    }


def test_the_administrator_sees_one_tenants_rows_and_a_current_placement(
    app: Flask, succeed: Run, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    neighbour = make_tenant(Tier(tenant.placement.tier))
    for slug in (tenant.slug, neighbour.slug):
        succeed("tenants", "members", "add", slug, "--subject", f"of {slug}", "--role", "owner")
        succeed("tenants", "suspend", slug, "--yes")
    count = select(func.count()).select_from(Member)
    try:
        with app.app_context(), administered_tenant(tenant.slug):
            subjects = db.session.scalars(select(Member.subject)).all()
            assert f"of {neighbour.slug}" not in subjects
            assert f"of {tenant.slug}" in subjects
            role = db.session.scalar(text("SELECT current_user"))
            assert str(role).endswith("_owner")
        with app.app_context(), administered_tenant(tenant.slug):
            status.resume_tenant(tenant.slug)
            with pytest.raises(StalePlacementError):
                db.session.scalar(count)
    finally:
        for slug in (tenant.slug, neighbour.slug):
            succeed("tenants", "resume", slug)


@pytest.mark.parametrize("is_suspended", [False, True])
def test_the_last_owner_stays(
    succeed: Run, run_command: Run, make_tenant: MakeTenant, is_suspended: bool
) -> None:
    slug = make_tenant(Tier.POOLED_ROWS).slug
    add = ("tenants", "members", "add", slug, "--role", "owner", "--subject")
    succeed(*add, "ann")
    if is_suspended:
        succeed("tenants", "suspend", slug, "--yes")
    remove = ("tenants", "members", "remove", slug, "--yes", "--subject", "ann")
    change = ("tenants", "members", "change", slug, "--role", "viewer", "--subject", "ann")

    for refused in (run_command(*remove), run_command(*change)):
        assert refused.exit_code == 1
        assert refused.output.startswith("Error: 'ann' is the last owner of the tenant.")
    succeed(*add, "bob")
    succeed(*change)
    succeed(*remove)


def test_a_state_that_is_so_already_is_no_error(succeed: Run, make_tenant: MakeTenant) -> None:
    slug = make_tenant(Tier.POOLED_ROWS).slug
    again = {
        ("tenants", "suspend", slug, "--yes"): f"{slug} is suspended already.\n",
        ("tenants", "resume", slug): f"{slug} is active already.\n",
        ("tenants", "rename", slug, slug): f"{slug} has this slug already. Nothing was changed.\n",
        ("servers", "drain", "default"): "default is draining already.\n",
        ("servers", "resume", "default"): "default is active already.\n",
    }

    for arguments, sentence in again.items():
        succeed(*arguments)
        assert succeed(*arguments) == sentence
    # Nothing would be lost, so nothing is asked either.
    succeed("tenants", "suspend", slug, "--yes")
    succeed("tenants", "suspend", slug)


def test_a_tenant_is_created_if_it_does_not_exist(succeed: Run, run_command: Run) -> None:
    create = ("tenants", "create", "--name", "One", "--tier", "pooled_rows", "--if-not-exists")

    created = json.loads(succeed(*create, "only-once", "--json"))
    again = json.loads(succeed(*create, "only-once", "--json"))

    assert created == again
    assert "Nothing was changed" in succeed(*create, "only-once")
    succeed("tenants", "rename", "only-once", "only-twice", "--yes")
    taken = run_command(*create, "only-once")
    assert (taken.exit_code, "former slug of 'only-twice'" in taken.output) == (1, True)


def test_of_two_renames_the_second_is_refused(
    succeed: Run, run_command: Run, make_tenant: MakeTenant
) -> None:
    slug = make_tenant(Tier.POOLED_ROWS).slug
    first, second = f"{slug}-first", f"{slug}-second"
    succeed("tenants", "rename", slug, first, "--yes")

    lost = run_command("tenants", "rename", slug, second, "--yes")

    assert lost.exit_code == 1
    assert f"has been renamed to {first!r}" in lost.output
    assert f"`flask tenants rename {first} {second}`" in lost.output
    assert json.loads(succeed("tenants", "show", slug, "--json"))["slug"] == first
    assert succeed("tenants", "rename", slug, first, "--yes").startswith(f"{first} has this slug")


@pytest.fixture(scope="module")
def some_slugs(make_tenant: MakeTenant) -> list[str]:
    """Slugs of tenants whose names no other test uses."""
    word = f"z{uuid4().hex[:8]}"
    kinds: list[dict[str, Any]] = [
        {},
        {"plan": "pro"},
        {"region": None, "plan": "pro"},
    ]
    return [
        make_tenant(
            Tier.POOLED_ROWS, slug=f"{word}-{number}", name=f"Clinic {word} {9 - number}%", **kind
        ).slug
        for number, kind in enumerate(kinds)
    ]


def test_tenants_are_filtered_sorted_and_limited(succeed: Run, some_slugs: list[str]) -> None:
    word = some_slugs[0].partition("-")[0]

    def found(*options: str) -> list[str]:
        items = json.loads(succeed("tenants", "list", *options, "--json"))
        return [item["slug"] for item in items]

    assert found(word.upper()) == some_slugs
    assert found(f"clinic {word}", "--sort", "name") == some_slugs[::-1]
    assert found(word, "--sort", "created_at", "--descending", "--limit", "2") == some_slugs[:0:-1]
    assert found(word, "--plan", "pro", "--tier", "pooled_rows") == some_slugs[1:]
    assert found(word, "--status", "suspended") == []
    assert found(word, "--server", "default", "--kind", "site") == some_slugs
    assert found(word, "--server", "moon") == found(word, "--region", "moon") == []
    assert found(f"{word} 9%") == some_slugs[:1]
    assert found(f"{word}_0") == found("'; --") == []


def complete(app: Flask, *words: str) -> list[str]:
    """Return what the shell offers for the last word."""
    info = ScriptInfo(create_app=lambda _info=None: app)
    completion = ShellComplete(app.cli, {"obj": info}, "flask", "_FLASK_COMPLETE")
    return [item.value for item in completion.get_completions(list(words[:-1]), words[-1])]


def test_names_are_completed(app: Flask, some_slugs: list[str]) -> None:
    word = some_slugs[0].partition("-")[0]

    for command in (
        *("show", "suspend", "resume", "rename", "revoke", "token", "silo", "prove"),
        *("members list", "members remove", "connections add"),
    ):
        assert complete(app, "tenants", *command.split(), word) == some_slugs, command
    assert complete(app, "imports", "list", word) == some_slugs
    assert complete(app, "servers", "show", "def") == ["default"]
    assert complete(app, "tenants", "list", "--server", "def") == ["default"]
    assert complete(app, "tenants", "list", "--tier", "own") == ["own_schema"]
    assert "list" in complete(app, "operations", "")
    assert complete(app, "tenants", "show", "%") == []


def test_completion_without_a_catalog_offers_nothing(blank_app: Any) -> None:
    assert complete(blank_app(), "tenants", "show", "") == []


def test_a_downgrade_without_yes_changes_nothing(run_command: Run, app: Flask) -> None:
    refused = [
        run_command("db", "downgrade"),
        run_command("db", "stamp", "base"),
        run_command("db", "--directory", str(CATALOG_LINEAGE), "downgrade", "base"),
        run_command("db", "downgrade", "--directory", str(CATALOG_LINEAGE), "0004"),
    ]

    assert [each.exit_code for each in refused] == [1, 1, 1, 1]
    assert all("Nothing was changed" in each.output for each in refused)
    assert refused[0].output.startswith("Error: Every tenant (")
    newest = max(path.stem for path in (TENANT_LINEAGE / "versions").glob("0*.py"))
    assert f"Undone from the newest revision: {newest}. " in refused[0].output
    assert "0001_create_the_catalog" in refused[2].output
    for catalog in refused[2:]:
        assert catalog.output.startswith("Error: The catalog will be migrated back.")
        assert "0005_record_the_secret_key" in catalog.output


def test_show_measures_the_placement(succeed: Run, tenant: Tenant, as_member: AsMember) -> None:
    as_member(tenant)
    shown = json.loads(succeed("tenants", "show", tenant.slug, "--json"))

    assert shown["members"] >= 1
    assert (shown["is_reachable"], len(shown["revision"])) == (True, 4)
    if tenant.placement.tier == Tier.POOLED_ROWS:
        assert (shown["size_bytes"], shown["last_used_at"]) == (None, None)
    else:
        assert shown["size_bytes"] > 0
