"""One broken tenant is named to operators, and other tenants are served, proven and migrated."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fleets import Fleet

from trially.state import state_of

DATABASE = {
    "renamed": (
        "ALTER DATABASE {database} RENAME TO {database}_away",
        "ALTER DATABASE {database}_away RENAME TO {database}",
        "database_missing",
    ),
    "closed": (
        "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
        "ALTER DATABASE {database} ALLOW_CONNECTIONS true",
        "database_missing",
    ),
    "no CONNECT": (
        "REVOKE CONNECT ON DATABASE {database} FROM {database}",
        "GRANT CONNECT ON DATABASE {database} TO {database}",
        "database_login_refused",
    ),
    "no LOGIN": (
        "ALTER ROLE {database} NOLOGIN",
        "ALTER ROLE {database} LOGIN",
        "database_login_refused",
    ),
}
"""Faults of a database or its role: how to make and mend them, and what clients are told."""

TABLES = {
    "no schema": (
        "ALTER SCHEMA {schema} RENAME TO away",
        "ALTER SCHEMA away RENAME TO {schema}",
        "database_outdated",
    ),
    "no table": (
        "ALTER TABLE {schema}.site RENAME TO away",
        "ALTER TABLE {schema}.away RENAME TO site",
        "database_outdated",
    ),
    "no column": (
        "ALTER TABLE {schema}.site RENAME name TO away",
        "ALTER TABLE {schema}.site RENAME away TO name",
        "database_outdated",
    ),
    "no guard": (
        "ALTER FUNCTION trially.enter RENAME TO away",
        "ALTER FUNCTION trially.away RENAME TO enter",
        "database_outdated",
    ),
    "no privileges": (
        "REVOKE ALL ON {schema}.site FROM {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.site TO {role}",
        "database_login_refused",
    ),
}
"""The same for faults in a database."""

ROLES = {
    "no membership": (
        "REVOKE {role} FROM {database}",
        "GRANT {role} TO {database} WITH INHERIT FALSE, SET TRUE",
        "database_login_refused",
    ),
    "no role": (
        "ALTER ROLE {role} RENAME TO {role}_away",
        "ALTER ROLE {role}_away RENAME TO {role}",
        "database_login_refused",
    ),
}
"""The same for the role of one schema."""

CASES = [
    *(("dedicated-one", kind) for kind in (*DATABASE, *TABLES)),
    *(("schema-one", kind) for kind in (*TABLES, *ROLES)),
    *(("pooled-one", kind) for kind in ("renamed", "no schema", "no guard", "no privileges")),
]


@contextmanager
def broken(fleet: Fleet, slug: str, kind: str) -> Iterator[str]:
    """Break a tenant's placement, yield the code that its clients are told, and mend it."""
    placement = fleet.tenants[slug].placement
    names = {"database": placement.database, "schema": placement.schema, "role": placement.role}
    making, mending, code = (DATABASE | TABLES | ROLES)[kind]
    of = slug if kind in TABLES else None
    end_connections(fleet, slug)
    fleet.administer(making.format(**names), of=of)
    try:
        yield code
    finally:
        end_connections(fleet, slug)
        fleet.administer(mending.format(**names), of=of)


def end_connections(fleet: Fleet, slug: str) -> None:
    fleet.administer(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
        fleet.database(slug),
    )


def ask(fleet: Fleet, slug: str) -> tuple[int, str | None]:
    token = state_of(fleet.app).dev_issuer.issue_token(subject=f"owner|{slug}", tenant=slug)
    answer = fleet.app.test_client().get(
        "/api/v1/sites", headers={"Authorization": f"Bearer {token}"}
    )
    return answer.status_code, answer.json.get("code")


def others_of(fleet: Fleet, slug: str, kind: str) -> list[str]:
    """Return the tenants that a fault must not reach: those that share nothing that is broken."""
    is_shared = slug == "pooled-one" or kind == "no guard"
    concerned = {slug, slug.replace("one", "two")} if is_shared else {slug}
    return [other for other in fleet.tenants if other not in concerned]


@pytest.mark.parametrize(("slug", "kind"), CASES)
def test_clients_of_a_broken_tenant_are_told_why_and_others_are_served(
    fleet: Fleet, slug: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(fleet, slug) == (200, None)

    with broken(fleet, slug, kind) as code:
        assert ask(fleet, slug) == (503, code)
        assert {ask(fleet, other) for other in others_of(fleet, slug, kind)} == {(200, None)}

    [told] = [record for record in caplog.records if getattr(record, "code", None) == code]
    assert told.bind_key == f"default/{fleet.database(slug)}"  # type: ignore[attr-defined]
    assert ask(fleet, slug) == (200, None)


@pytest.mark.parametrize(
    ("slug", "kind"),
    [
        ("dedicated-one", "no LOGIN"),
        ("schema-one", "no membership"),
        ("schema-two", "no privileges"),
    ],
)
def test_a_tenant_that_cannot_act_spoils_no_other_proof(fleet: Fleet, slug: str, kind: str) -> None:
    with broken(fleet, slug, kind):
        result = fleet.run("tenants", "prove", "--json")

    states = {
        each["slug"]: each["state"] for each in json.loads(result.stdout)["report"]["tenants"]
    }
    assert result.exit_code == 1
    assert states == dict.fromkeys(fleet.tenants, "held") | {slug: "not proven"}


@pytest.mark.parametrize("slug", ["dedicated-one", "pooled-one"])
def test_a_tenant_is_suspended_although_its_database_does_not_answer(
    fleet: Fleet, slug: str
) -> None:
    with broken(fleet, slug, "closed"):
        suspended = fleet.run("tenants", "suspend", slug, "--yes")
        shown = json.loads(fleet.run("tenants", "show", slug, "--json").stdout)
        refused = ask(fleet, slug)
        resumed = fleet.run("tenants", "resume", slug)
    assert (suspended.exit_code, resumed.exit_code) == (1, 1)
    assert "is suspended in the catalog" in suspended.stderr
    assert "not currently accepting connections" in suspended.stderr
    assert shown["status"] == "suspended"
    assert refused == (403, "no_tenant_access")

    assert ask(fleet, slug) == (403, "no_tenant_access")
    assert fleet.run("tenants", "suspend", slug, "--yes").exit_code == 0
    assert fleet.run("tenants", "resume", slug).exit_code == 0
    assert ask(fleet, slug) == (200, None)
