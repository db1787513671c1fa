"""Each cause for which a database does not serve a request has its own code and metric."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cycle_views import ReplaceView
from flask import Flask, Response
from members import AsMember, MakeTenant, Member
from prometheus_client import REGISTRY
from sqlalchemy import text
from tenant_databases import ask

from trially.database.session import db, engine_registry
from trially.tenancy.catalog import Tier


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
        "database_login_refused",
        "28P01",
    ),
    "no log-in": ("ALTER ROLE {role} NOLOGIN", "database_login_refused", "28000"),
    "missing database": (
        "ALTER DATABASE {database} RENAME TO {database}x",
        "database_missing",
        "3D000",
    ),
    "closed database": (
        "ALTER DATABASE {database} ALLOW_CONNECTIONS false",
        "database_missing",
        "3D000",
    ),
    "no CONNECT": (
        "REVOKE CONNECT ON DATABASE {database} FROM {role}",
        "database_login_refused",
        "42501",
    ),
    "limit of the role": ("ALTER ROLE {role} CONNECTION LIMIT 0", "connections_exhausted", "53300"),
    "limit of the database": (
        "ALTER DATABASE {database} CONNECTION LIMIT 0",
        "connections_exhausted",
        "53300",
    ),
}


@pytest.mark.parametrize(("sql", "code", "sqlstate"), IN_CONNECTING.values(), ids=IN_CONNECTING)
def test_a_refused_connection_names_its_cause(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    caplog: pytest.LogCaptureFixture,
    sql: str,
    code: str,
    sqlstate: str,
) -> None:
    tenant = make_tenant(Tier.DEDICATED_DATABASE)
    member, place = as_member(tenant), tenant.placement
    with _no_idle_connection(app, f"{place.server.name}/{place.database}"):
        ask(app, sql.format(role=place.role, database=place.database))
        answer = member.get("/me")

    assert (answer.status_code, answer.json["code"]) == (503, code)
    (record,) = [each for each in caplog.records if hasattr(each, "bind_key")]
    assert record.sqlstate == sqlstate
    assert "FATAL" not in caplog.text


@contextmanager
def _no_idle_connection(app: Flask, bind_key: str) -> Iterator[None]:
    with app.app_context():
        engine_registry().forget(bind_key)
    yield


def _faults(code: str) -> float:
    labels = {"code": code, "server": "default"}
    return REGISTRY.get_sample_value("trially_database_faults_total", labels) or 0
