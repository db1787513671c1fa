"""Each cause for which a database does not serve a request has its own code and metric."""

import pytest
from cycle_views import ReplaceView
from flask import Flask, Response
from members import AsMember, MakeTenant, Member
from prometheus_client import REGISTRY
from sqlalchemy import text
from tenant_databases import ask

from trially.database.engines import engine_registry
from trially.database.session import db
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.servers.access import server_access
from trially.tenancy.tiers.roles import create_login_role


def _raise(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'canary' USING ERRCODE = '{sqlstate}'; END $$"


IN_STATEMENTS = {
    "disk full": (_raise("53100"), "database_full"),
    "out of memory": (_raise("53200"), "database_full"),
    "input/output error": (_raise("58030"), "database_full"),
    "read-only server": (_raise("25006"), "database_read_only"),
    "deadline": ("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)", "request_timeout"),
    "lock": (_raise("55P03"), "lock_timeout"),
    "shutdown": (_raise("57P01"), "database_restarting"),
}


@pytest.mark.parametrize(("sql", "code"), IN_STATEMENTS.values(), ids=IN_STATEMENTS)
def test_a_failed_statement_names_its_cause(
    shared_member: Member, answer_me_with: ReplaceView, sql: str, code: str
) -> None:
    def view() -> Response:
        db.session.execute(text(sql))
        raise AssertionError

    answer_me_with(view)
    before = _faults(code)

    answer = shared_member.get("/me")

    assert (answer.status_code, answer.json["code"]) == (503, code)
    assert "canary" not in answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert _faults(code) == before + 1


IN_CONNECTING = {
    "wrong password": (
        "ALTER ROLE {role} PASSWORD 'another'",
        (),
        "database_login_refused",
        "28P01",
    ),
    "no log-in": (
        "ALTER ROLE {role} NOLOGIN",
        ("ALTER ROLE {role} LOGIN",),
        "database_login_refused",
        "28000",
    ),
    "missing database": (
        "ALTER DATABASE {database} RENAME TO {database}x",
        ("ALTER DATABASE {database}x RENAME TO {database}",),
        "database_missing",
        "3D000",
    ),
    "closed database": (
        "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
        ("ALTER DATABASE {database} ALLOW_CONNECTIONS true",),
        "database_missing",
        "3D000",
    ),
    "no CONNECT": (
        "REVOKE CONNECT ON DATABASE {database} FROM {role}",
        ("GRANT CONNECT ON DATABASE {database} TO {role}",),
        "database_login_refused",
        "42501",
    ),
    "limit of the role": (
        "ALTER ROLE {role} CONNECTION LIMIT 0",
        ("ALTER ROLE {role} CONNECTION LIMIT 50",),
        "connections_exhausted",
        "53300",
    ),
    "limit of the database": (
        "ALTER DATABASE {database} CONNECTION LIMIT 0",
        ("ALTER DATABASE {database} CONNECTION LIMIT -1",),
        "connections_exhausted",
        "53300",
    ),
}
"""By cause: the SQL that brings it about, the SQL that ends it, and the code and SQLSTATE."""


@pytest.mark.parametrize(
    ("sql", "undo", "code", "sqlstate"), IN_CONNECTING.values(), ids=IN_CONNECTING
)
def test_a_refused_connection_names_its_cause(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    caplog: pytest.LogCaptureFixture,
    sql: str,
    undo: tuple[str, ...],
    code: str,
    sqlstate: str,
) -> None:
    tenant = make_tenant(Tier.DEDICATED_DATABASE)
    member, place = as_member(tenant), tenant.placement
    names = {"role": place.role, "database": place.database}
    with app.app_context():
        engine_registry().forget(f"{place.server.name}/{place.database}")
    ask(app, sql.format(**names))
    try:
        answer = member.get("/me")
    finally:
        # Other tests migrate all tenants of the installation.
        for statement in undo:
            ask(app, statement.format(**names))
        with app.app_context():
            create_login_role(server_access(), place.role, schema=place.schema, connections=50)

    assert (answer.status_code, answer.json["code"]) == (503, code)
    (record,) = [each for each in caplog.records if hasattr(each, "bind_key")]
    assert record.sqlstate == sqlstate
    assert "FATAL" not in caplog.text


def _faults(code: str) -> float:
    labels = {"code": code, "server": "default"}
    return REGISTRY.get_sample_value("trially_database_faults_total", labels) or 0
