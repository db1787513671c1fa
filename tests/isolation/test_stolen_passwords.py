"""An attacker with a login role's password who can reach the server's or pooler's port."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from flask import Flask
from members import MakeTenant
from poolers import Pooler
from populated_tenants import PopulatedTenant
from tenant_databases import ask, placement_of
from walls import POOLER, Wall

from trially.database.connecting import connect
from trially.database.placement import Placement
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.schema import databases
from trially.tenancy.servers.connections import execute

NO_CONNECT = "not have CONNECT privilege|not currently accepting|permission denied for database"


@pytest.fixture
def stolen(serving_app: Flask, attacker: PopulatedTenant) -> Placement:
    """The placement of the attacker's tenant, with its login role and password."""
    return placement_of(serving_app, attacker.tenant)


def test_every_other_database(
    app: Flask,
    stolen: Placement,
    victim: PopulatedTenant,
    record_wall: Callable[..., None],
    way: str,
) -> None:
    rows = ask(
        app,
        "SELECT datname FROM pg_database WHERE datname <> %s AND (datname ~ '^trially|^postgres'"
        " OR datname ~ '^template' OR datname = %s)",
        stolen.url.database,
        victim.tenant.placement.database,
    )
    others = {name for (name,) in rows}

    assert {"postgres", "template1", "trially_catalog"} <= others
    for name in others:
        with pytest.raises(psycopg2.OperationalError, match=NO_CONNECT):
            connect(stolen.url.set(database=name))
    record_wall("logs in to every other database", Wall.CONNECT, way)


def test_another_tenant(
    app: Flask,
    serving_app: Flask,
    stolen: Placement,
    victim: PopulatedTenant,
    record_wall: Callable[..., None],
    way: str,
) -> None:
    target = placement_of(serving_app, victim.tenant)

    try:
        with closing(connect(stolen.url.set(database=target.url.database))) as raw:
            execute(raw, target.opening)
            rows = execute(raw, "SELECT DISTINCT tenant_id::text FROM patient")
            execute(raw, "ROLLBACK")
    except psycopg2.OperationalError:
        wall = Wall.CONNECT
    else:
        assert rows == [(str(victim.tenant.id),)]
        wall = Wall.LIMIT

    record_wall("logs in as one tenant and reads another tenant's rows", wall, way)


def test_the_other_role_needs_another_password(
    serving_app: Flask, stolen: Placement, victim: PopulatedTenant
) -> None:
    their_role = victim.tenant.placement.role
    if their_role == stolen.url.username:
        their_role = "trially_catalog_reader"

    for role in (their_role, "postgres", "trially_catalog_owner"):
        with pytest.raises(psycopg2.OperationalError):
            connect(stolen.url.set(username=role))


def test_the_pooler_checks_passwords_as_the_server_does(
    pooler: Pooler, serving_app: Flask, stolen: Placement, way: str
) -> None:
    for password in ("", "wrong", "SCRAM-SHA-256$4096:x$y:z"):
        with pytest.raises(psycopg2.OperationalError):
            connect(stolen.url.set(password=password))
    if way == POOLER:
        assert stolen.url.port == pooler.url.port


def test_a_database_that_is_being_created(
    app: Flask,
    attacker: PopulatedTenant,
    make_tenant: MakeTenant,
    tier: Tier,
    record_wall: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if tier is not Tier.DEDICATED_DATABASE:
        return
    attempts = []

    def try_first(raw: Any, statement: Any, *parameters: Any) -> Any:
        """Try to log in to new databases before each further statement, then run the statement."""
        if "CREATE DATABASE" not in str(statement):
            present = execute(raw, "SELECT datname FROM pg_database WHERE datname LIKE 't\\_%'")
            for (name,) in sorted(present, reverse=True):
                if name not in before:
                    with pytest.raises(psycopg2.OperationalError) as refusal:
                        connect(placement_of(app, attacker.tenant).url.set(database=name))
                    attempts.append(str(refusal.value))
        return execute(raw, statement, *parameters)

    before = {name for (name,) in ask(app, "SELECT datname FROM pg_database")}
    monkeypatch.setattr(databases, "execute", try_first)
    make_tenant(tier)

    assert attempts
    record_wall("logs in to a database that is being created", Wall.CONNECT)
