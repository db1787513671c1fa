"""The doctor logs in as requests do, and names why a login fails."""

import json
from dataclasses import replace

import pytest

from trially.doctor.logins import log_in
from trially.tenancy.servers.access import server_access


def find_logins(fleet):
    findings = json.loads(fleet.run("doctor", "--json").stdout)
    return [
        finding
        for finding in findings
        if finding["check"].endswith("can log in") and finding["level"] != "ok"
    ]


@pytest.mark.parametrize("slug", ["dedicated-one", "schema-one", "pooled-one"])
def test_a_changed_password_is_found(fleet, slug):
    role = fleet.database(slug)
    [(verifier,)] = fleet.administer("SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)
    fleet.administer(f"ALTER ROLE {role} PASSWORD 'another'")
    try:
        [found] = find_logins(fleet)
    finally:
        fleet.administer(f"ALTER ROLE {role} PASSWORD '{verifier}'")

    assert found["level"] == "error"
    assert found["what"] == f"{role} cannot log in to {role}: wrong password (SQLSTATE 28P01)"
    assert "flask keys" in found["remedy"]
    assert found["tenant"] == (slug if slug == "dedicated-one" else None)
    assert find_logins(fleet) == []


def test_a_password_stored_as_md5_is_found_and_not_printed(fleet):
    role = fleet.database("dedicated-one")
    [(verifier,)] = fleet.administer("SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)
    digest = "0123456789abcdef" * 2
    fleet.administer(f"ALTER ROLE {role} PASSWORD 'md5{digest}'")
    try:
        output = fleet.run("doctor", "--json").stdout
    finally:
        fleet.administer(f"ALTER ROLE {role} PASSWORD '{verifier}'")

    assert f"the password of {role} is stored as md5, not as SCRAM-SHA-256$64" in output
    assert digest not in output
    assert verifier not in output


def test_a_changed_password_of_the_catalogs_reader_is_found(fleet):
    role = f"{fleet.catalog}_reader"
    [(verifier,)] = fleet.administer("SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)
    fleet.administer(f"ALTER ROLE {role} PASSWORD 'another'")
    try:
        [found] = find_logins(fleet)
    finally:
        fleet.administer(f"ALTER ROLE {role} PASSWORD '{verifier}'")

    assert f"{role} cannot log in to {fleet.catalog}: wrong password" in found["what"]
    assert find_logins(fleet) == []


@pytest.mark.parametrize(
    ("made", "mended", "cause", "level"),
    [
        ("ALTER ROLE {role} NOLOGIN", "ALTER ROLE {role} LOGIN", "28000", "error"),
        (
            "REVOKE CONNECT ON DATABASE {role} FROM {role}",
            "GRANT CONNECT ON DATABASE {role} TO {role}",
            "42501",
            "error",
        ),
        (
            "ALTER ROLE {role} CONNECTION LIMIT 0",
            "ALTER ROLE {role} CONNECTION LIMIT 50",
            "53300",
            "warning",
        ),
    ],
)
def test_a_refused_login_is_named_by_its_cause(fleet, made, mended, cause, level):
    role = fleet.database("dedicated-one")
    fleet.administer(made.format(role=role))
    try:
        [found] = find_logins(fleet)
    finally:
        fleet.administer(mended.format(role=role))

    assert found["level"] == level
    assert f"(SQLSTATE {cause})" in found["what"]
    assert found["remedy"]


def test_a_pooler_that_does_not_know_the_role_is_found(app, pooled_app, pooler, tenant):
    role = tenant.placement.role
    with pooled_app.app_context():
        [unknown] = log_in(server_access(), role, tenant.placement.database, tenant.slug)
        pooler.learn_roles()
        known = list(log_in(server_access(), role, tenant.placement.database, tenant.slug))

    assert unknown.what.startswith(f"{role} cannot log in to {role} through the pooler: ")
    assert unknown.tenant == tenant.slug
    assert known == []


def test_a_server_that_does_not_answer_is_an_error(app, tenant):
    with app.app_context():
        access = server_access()
        silent = replace(access, admin_url=access.admin_url.set(query={"host": "/nowhere"}))
        [found] = log_in(silent, tenant.placement.role, tenant.placement.database)

    assert "no connection" in found.what
