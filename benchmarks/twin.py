"""The twin: this app on one fixed database, without tenancy; what trially is measured against.

It is trially's own `create_app`, with what tenancy adds to a request taken out: no directory, no
engine per tenant, no guard. The session has one plain engine, of SQLAlchemy's own psycopg2
dialect, whose pool is as large as a tenant's; psycopg2 begins its transactions. The request cycle
itself, with tokens, revocations, membership, permissions, deadlines, masking and Idempotency-Keys,
routes, schemas, SQL, serialisation and all that is told and sent with an answer are the same code.
The tenant's id, which leads every key, is a constant.

`get_bind` returns that engine and nothing else, which is cheaper than what Flask-SQLAlchemy does
for one database: where the twin is favoured, the bar is the higher.
"""

from typing import Any

import orjson
from flask import Flask, g
from flask_sqlalchemy.session import Session
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, cursor
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from benchmarks.installation import settings_of_environment
from trially import create_app, request_cycle
from trially.config import Settings
from trially.database.deadline import statement_bound
from trially.database.dialect import PlacedDialect, replace_if_closed
from trially.database.engines import NETWORK_LIMITS
from trially.database.session import db
from trially.tenancy.catalog import Tenant
from trially.tenancy.directory import TenantEntry, directory
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

SLUG = "the-twin"


class TwinDialect(PGDialect_psycopg2):
    """SQLAlchemy's own, which tells slow statements as trially does."""

    supports_statement_cache = True
    slow_seconds = float("inf")
    do_execute = PlacedDialect.do_execute


class BoundedCursor(cursor):
    """A cursor whose transactions are bounded by the request's deadline, as a tenant's are."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        """Send a statement, behind what bounds it if it is a transaction's first."""
        if self.connection.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            query = statement_bound() + query
        super().execute(query, vars)


registry.register("postgresql.twin", __name__, TwinDialect.__name__)


def trially_app() -> Flask:
    """Make the app as it is, in a process that an installation has started."""
    return create_app(settings_of_environment())


def twin_app(settings: Settings | None = None) -> Flask:
    """Make the twin, in a process of its own: tenancy is taken out of trially's modules."""
    settings = settings or settings_of_environment()
    app = create_app(settings)
    with app.app_context():
        entry = directory().find(SLUG)
    engine = _make_engine(entry, settings)

    class FixedSession(Session):
        def get_bind(self, *_args: Any, **_kwargs: Any) -> Engine:
            return engine

    db.session = db._make_scoped_session({"class_": FixedSession})
    _take_tenancy_out(entry)
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


def _take_tenancy_out(entry: TenantEntry) -> None:
    """Leave of the request cycle what an app for one tenant does."""

    def enter_only_tenant(_residence: TenantEntry) -> None:
        # What the views read the tenant's id from.
        g.placement, g.tenant = entry.placement, entry

    tenancy: dict[str, Any] = {
        "resolve_tenant": lambda _claims: entry,
        "enter_tenant": enter_only_tenant,
        "check_tenant_open": lambda: None,
    }
    for name, without in tenancy.items():
        if not hasattr(request_cycle, name):
            raise SystemExit(f"The request cycle has no {name} any more: mend the twin.")
        setattr(request_cycle, name, without)


def _make_engine(entry: TenantEntry, settings: Settings) -> Engine:
    engine = create_engine(
        entry.placement.url.set(drivername="postgresql+twin"),
        connect_args={
            "application_name": "twin",
            "cursor_factory": BoundedCursor,
            **NETWORK_LIMITS,
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
    engine.dialect.slow_seconds = settings.slow_query_ms / 1000  # type: ignore[attr-defined]
    event.listen(engine, "checkout", replace_if_closed)
    return engine
