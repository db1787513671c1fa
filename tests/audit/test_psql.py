"""`flask tenants psql`: with a grant, as the tenant's own role, read-only, and on the record."""

import datetime as dt
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant
from sqlalchemy import select

from trially.audit.model import AuditRecord
from trially.auth.roles import PhiLevel, Role
from trially.auth.support import entering, grants, psql
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.operators.persons import Person
from trially.tenancy.tiers import tier_of

Run = Callable[..., Any]

WHO = (
    "SELECT current_user, session_user, current_setting('trially.tenant_id'), count(*) FROM patient"
)


@pytest.fixture
def as_person(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let commands be run by another account."""

    def be(name: str) -> None:
        for module in (grants, entering):
            monkeypatch.setattr(module, "current_person", lambda: Person(name, "here"))

    return be


@pytest.fixture
def allow(app: Flask, as_person: Callable[[str], None]) -> Callable[..., Any]:
    """Approve a grant for jo, who runs the commands afterwards."""

    def make(tenant: Tenant, role: Role = Role.ADMIN, level: PhiLevel = PhiLevel.FULL) -> Any:
        with app.app_context():
            as_person("jo")
            asked = grants.request_grant(
                tenant.slug,
                "ops|7",
                issuer=state_of(app).dev_issuer.url,
                reason="The import stops.",
                ticket="T-1",
                duration=dt.timedelta(hours=1),
                role=role,
                phi_level=level,
            )
            as_person("kim")
            grants.approve_grant(asked.id)
            as_person("jo")
        return asked.id

    return make


@pytest.fixture
def query(run_command: Run, tmp_path: Path) -> Run:
    """Run a statement in psql, and return the result of the command and what psql wrote."""

    def run(slug: str, statement: str, *options: str) -> tuple[Any, str]:
        written = tmp_path / "written"
        written.unlink(missing_ok=True)
        words = ("-X", "-At", "-v", "ON_ERROR_STOP=1", "-o", written, "-c", statement)
        result = run_command("tenants", "psql", slug, *options, "--", *words)
        return result, written.read_text() if written.exists() else ""

    return run


def test_psql_is_the_tenant_and_reads_its_rows_only(
    app: Flask,
    tier: Tier,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    allow: Callable[..., Any],
    query: Run,
) -> None:
    mine, other = make_tenant(tier), make_tenant(tier)
    for tenant in (mine, other, other):
        make_patient(as_member(tenant))
    grant_id = allow(mine)

    result, written = query(mine.slug, WHO)

    placement = mine.placement
    login = placement.database
    expected = (placement.role, login, str(mine.id), "1")
    assert result.exit_code == 0, result.output
    assert tuple(written.strip().split("|")) == expected
    changed, _ = query(mine.slug, "DELETE FROM patient")
    assert changed.exit_code == 1
    assert query(mine.slug, "DELETE FROM patient", "--write")[0].exit_code == 0
    assert query(mine.slug, WHO)[1].endswith("|0\n")
    with app.app_context(), tenant_context(mine.slug):
        details = db.session.scalars(select(AuditRecord.details).order_by(AuditRecord.id)).all()
    entries = [each for each in details if each and each.get("program") == "psql"]
    assert [each["writes"] for each in entries] == [False, False, True, False]
    assert {each["support_grant"] for each in entries} == {str(grant_id)}


def test_only_the_operator_with_a_grant_that_covers_everything_enters(
    app: Flask,
    make_tenant: MakeTenant,
    allow: Callable[..., Any],
    as_person: Callable[[str], None],
    query: Run,
) -> None:
    tenant, other = make_tenant(Tier.POOLED_ROWS), make_tenant(Tier.POOLED_ROWS)

    def is_refused(slug: str) -> bool:
        result, written = query(slug, WHO)
        return (result.exit_code, written) == (1, "") and "no support grant" in result.output

    as_person("jo")
    assert is_refused(tenant.slug)
    allow(tenant, level=PhiLevel.LIMITED)
    assert is_refused(tenant.slug)
    allow(tenant, role=Role.VIEWER)
    assert is_refused(tenant.slug)
    grant_id = allow(tenant)
    assert is_refused(other.slug)
    as_person("kim")
    assert is_refused(tenant.slug)
    as_person("jo")
    assert not is_refused(tenant.slug)
    with app.app_context():
        grants.revoke_grant(grant_id)
    assert is_refused(tenant.slug)


def test_the_record_names_grant_and_reason_and_not_the_statement(
    make_tenant: MakeTenant, allow: Callable[..., Any], query: Run, records: Any
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    grant_id = allow(tenant)

    query(tenant.slug, "SELECT 'a patient'")

    mine = [each for each in records() if each["action"] == "tenants psql"]
    noted = [each["details"] for each in mine if each["stage"] == "noted"]
    assert [each["stage"] for each in mine] == ["started", "noted", "finished"]
    assert noted == [
        {"grant": str(grant_id), "ticket": "T-1", "reason": "The import stops.", "writes": False}
    ]
    assert "a patient" not in str(mine)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Replace psql by a script."""

    def write(script: str) -> Path:
        path = tmp_path / "psql"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(psql.shutil, "which", lambda _: str(path))
        return path

    return write


def test_no_secret_is_in_arguments_or_environment(
    tmp_path: Path,
    make_tenant: MakeTenant,
    allow: Callable[..., Any],
    query: Run,
    program: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = make_tenant()
    allow(tenant)
    monkeypatch.setenv("TRIALLY_SECRET_KEY", "secret-in-the-environment")
    monkeypatch.setenv("PGPASSWORD", "secret-in-the-environment")
    seen, kept = tmp_path / "seen", tmp_path / "kept"
    program(f'echo "$@" > {seen}; env >> {seen}; cp -p "$PGPASSFILE" {kept}; exit 3')

    result, _ = query(tenant.slug, "SELECT 1")

    password = kept.read_text().strip().rpartition(":")[2]
    file = Path(next(line for line in seen.read_text().splitlines() if "PGPASSFILE=" in line)[11:])
    assert result.exit_code == 3
    assert len(password) > 20
    assert password not in seen.read_text()
    assert "secret-in-the-environment" not in seen.read_text()
    assert f"PSQL_HISTORY={os.devnull}" in seen.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not file.parent.exists()


def test_the_session_ends_with_the_grant(
    app: Flask,
    make_tenant: MakeTenant,
    program: Callable[[str], Path],
) -> None:
    placement = make_tenant(Tier.POOLED_ROWS).placement
    program("exec sleep 60")
    answers = iter([True, False])
    options: Any = {"writes": False, "is_allowed": lambda: next(answers), "checked_every": 0.05}
    with app.app_context(), pytest.raises(psql.SessionEndedError):
        psql.run_psql(tier_of(placement).placement(placement), (), **options)


def test_a_missing_psql_is_named(
    make_tenant: MakeTenant,
    allow: Callable[..., Any],
    run_command: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    allow(tenant)
    monkeypatch.setattr(psql.shutil, "which", lambda _: None)

    assert "psql is not installed" in run_command("tenants", "psql", tenant.slug).output


@pytest.mark.parametrize(
    "words",
    [
        ("-U", "postgres"),
        ("--user=postgres",),
        ("-hlocalhost",),
        ("-At", "-d", "postgres"),
        ("postgres",),
        ("-c", "SELECT 1", "host=elsewhere"),
        ("-W",),
        ("--no-such-option",),
    ],
)
def test_nothing_chooses_another_connection(run_command: Run, words: tuple[str, ...]) -> None:
    refused = run_command("tenants", "psql", "no-such-tenant", "--", *words)

    assert refused.exit_code == 1
    assert "does not exist" not in refused.output
