"""The twin: this app on one fixed database, without tenancy; what trially is measured against.

It is trially's own `create_app`, with what tenancy adds to a request taken out: no directory, no
engine per tenant, no guard. The session has one plain engine, of SQLAlchemy's own psycopg2
dialect, whose pool is as large as a tenant's; psycopg2 begins its transactions. Routes, schemas,
tokens, membership, permissions, SQL, serialisation and commit are the same code. The tenant's id,
which leads every key, is a constant.

`get_bind` returns that engine and nothing else, which is cheaper than what Flask-SQLAlchemy does
for one database: where the twin is favoured, the bar is the higher.
"""

from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, current_app, g, request
from flask_sqlalchemy.session import Session
from sqlalchemy import Engine, create_engine

from benchmarks.installation import settings_of_environment
from trially import create_app, request_cycle
from trially.auth.identity import read_claims, read_identity
from trially.auth.permissions import Permission
from trially.config import Settings
from trially.database.engines import (
    CONNECT_TIMEOUT_SECONDS,
    KEEPALIVE_IDLE_SECONDS,
)
from trially.database.session import db
from trially.http.problems import Forbidden
from trially.tenancy.catalog import Tenant
from trially.tenancy.directory import Residence, directory
from trially.tenancy.provisioning import create_tenant
from trially.tenancy.servers import execute, server_access

SLUG = "the-twin"


def trially_app() -> Flask:
    """Make the app as it is, in a process that an installation has started."""
    return create_app(settings_of_environment())


def twin_app(settings: Settings | None = None) -> Flask:
    """Make the twin."""
    settings = settings or settings_of_environment()
    app = create_app(settings)
    with app.app_context():
        residence = directory().find(SLUG)
    engine = _make_engine(residence, settings)

    class FixedSession(Session):
        def get_bind(self, *_args: Any, **_kwargs: Any) -> Engine:
            return engine

    db.session = db._make_scoped_session({"class_": FixedSession})
    steps = app.before_request_funcs[None]
    steps[steps.index(request_cycle.admit)] = _make_admit(residence)
    return app


def create_twin_database() -> Tenant:
    """Make the twin's database and role, as a tenant's are, without what holds it to a tenant."""
    tenant = create_tenant(SLUG, "The twin")
    with server_access().administer(tenant.placement.database) as raw:
        tables = execute(
            raw, "SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = %s", _CHECK
        )
        for (table,) in tables:
            execute(raw, f"ALTER TABLE {table} DROP CONSTRAINT {_CHECK}")
    return tenant


_CHECK = "ck_this_tenant"


def _make_engine(residence: Residence, settings: Settings) -> Engine:
    return create_engine(
        residence.placement.url,
        connect_args={
            "application_name": "twin",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "keepalives_idle": KEEPALIVE_IDLE_SECONDS,
        },
        pool_size=settings.connections_per_server,
        max_overflow=0,
        pool_timeout=settings.checkout_timeout_seconds,
        pool_use_lifo=True,
        use_native_hstore=False,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        hide_parameters=True,
    )


def _make_admit(residence: Residence) -> Callable[[], None]:
    placement = residence.placement

    def admit() -> None:
        """Decode the token and check the view's permission."""
        if request.endpoint is None:
            return
        permission: Permission | None = current_app.view_functions[request.endpoint].__dict__[
            "permission"
        ]
        if permission is None:
            return
        claims = read_claims()
        # What the views read the tenant's id from.
        g.placement, g.residence = placement, residence
        g.identity = read_identity(claims, placement)
        if not g.identity.may(permission):
            raise Forbidden(f"This needs the permission {permission}.")

    return admit
