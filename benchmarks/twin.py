"""The twin: trially without tenancy, on one fixed database. Benchmarks compare trially with it.

The twin is trially's own `create_app` without the work that tenancy adds to a request: no tenant
directory, no engine per tenant, no guard, no cleaning of connections. Its session has one plain
engine of SQLAlchemy's psycopg2 dialect, with a pool of the size of a tenant's, and psycopg2 begins
the transactions. All other code is the same: the request cycle, tokens, revocations, members,
permissions, deadlines, masking, audit records, Idempotency-Keys, routes, schemas, SQL,
serialisation, logs, metrics and headers. An audit record is a statement of its own: only trially's
connections send it with COMMIT. The tenant's id, which leads every key, is a constant. The twin's
tables have no `CHECK` that ties them to the tenant.

The twin's `get_bind` only returns the engine. Flask-SQLAlchemy's would do more, so this favours
the twin and makes the bar higher.
"""

from types import ModuleType
from typing import Any

import orjson
from flask import Flask
from flask_sqlalchemy.session import Session
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from benchmarks.installation import settings_of_environment
from trially import create_app, request_cycle
from trially.config import Settings
from trially.database import direct, placed_session, session
from trially.database.connecting import NETWORK_LIMITS
from trially.database.connection_shares import BEFORE_ASKING
from trially.database.deadline import statement_bound
from trially.database.dialect import PlacedDialect, replace_if_lost
from trially.database.direct import adopted_connection, let_adopt, unadopted
from trially.database.ending import prepare_commit
from trially.database.session import SESSION_OPTIONS, db, open_connection
from trially.database.watching import WatchedConnection, WatchedCursor
from trially.request_cycle import replicas, settling
from trially.request_state import request_state
from trially.tenancy.catalog import Tenant
from trially.tenancy.directory import TenantEntry, directory
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

SLUG = "the-twin"


class TwinDialect(PGDialect_psycopg2):
    """SQLAlchemy's psycopg2 dialect; it reports slow statements as trially's dialect does."""

    supports_statement_cache = True
    slow_seconds = float("inf")
    do_execute = PlacedDialect.do_execute


class BoundedCursor(WatchedCursor):
    """A cursor whose transactions end at the request's deadline, as a tenant's do."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002
        """Send a statement; a transaction's first one carries `statement_timeout` before it."""
        if self.connection.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            query = statement_bound() + query
        super().execute(query, vars)


registry.register("postgresql.twin", __name__, TwinDialect.__name__)


def trially_app() -> Flask:
    """Return trially unchanged, in a process that an installation has started."""
    return create_app(settings_of_environment())


def twin_app(settings: Settings | None = None) -> Flask:
    """Return the twin. Run it in its own process: it replaces functions of trially's modules."""
    settings = settings or settings_of_environment()
    app = create_app(settings)
    with app.app_context():
        entry = directory().find(SLUG)
    engine = _make_engine(entry, settings)

    class FixedSession(Session):
        def get_bind(self, *_args: Any, **_kwargs: Any) -> Engine | Connection:
            return adopted_connection() or engine

    event.listen(FixedSession, "before_commit", lambda _session: _send_audit_record())
    event.listen(FixedSession, "after_commit", placed_session._follow_commit)
    event.listen(FixedSession, "after_rollback", placed_session._follow_rollback)
    event.listen(FixedSession, "after_transaction_end", placed_session._return_adopted)
    db.session = db._make_scoped_session({**SESSION_OPTIONS, "class_": FixedSession})
    let_adopt(db.session)
    _remove_tenancy(entry, engine)
    return app


def create_twin_database() -> Tenant:
    """Create the twin's database and role like a tenant's, and drop the tables' tenant `CHECK`."""
    tenant = create_tenant(SLUG, "The twin")
    with server_access().administer(tenant.placement.database) as raw:
        tables = execute(
            raw,
            "SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = %s"
            " AND coninhcount = 0",
            _CHECK,
        )
        if not tables:
            raise SystemExit(f"No table has the constraint {_CHECK}. Adapt benchmarks/twin.py.")
        for (table,) in tables:
            execute(raw, f"ALTER TABLE {table} DROP CONSTRAINT {_CHECK}")
    return tenant


_CHECK = "ck_this_tenant"


def _send_audit_record() -> None:
    """Write the audit record with a statement of its own, as psycopg2 sends COMMIT."""
    prepare_commit()
    _send_composed()


def _send_direct_record() -> None:
    """Write the audit record of a direct transaction, unless composing it asked for the session."""
    prepare_commit()
    if unadopted() is not None:
        _send_composed()


def _send_composed() -> None:
    state = request_state()
    if state.audit_sql:
        cursor = open_connection().connection.cursor()
        cursor.execute(state.audit_sql)
        cursor.close()
        state.audit_sql = ""


def _remove_tenancy(entry: TenantEntry, engine: Engine) -> None:
    """Replace the functions of the request cycle that only an app with several tenants needs."""

    def enter_only_tenant(_entry: TenantEntry) -> None:
        # Views read the tenant's id from the request's state.
        state = request_state()
        state.placement, state.tenant = entry.placement, entry

    replacements: dict[tuple[ModuleType, str], Any] = {
        (request_cycle, "resolve_tenant"): lambda _claims: entry,
        (replicas, "enter_tenant"): enter_only_tenant,
        (settling, "check_tenant_open"): lambda: None,
        (direct, "tenant_engine"): lambda: engine,
        (session, "prepare_commit"): _send_direct_record,
    }
    for (module, name), replacement in replacements.items():
        if not hasattr(module, name):
            raise SystemExit(
                f"The module {module.__name__} does not use {name}. Adapt benchmarks/twin.py: the"
                " twin must run without the tenant directory, the entering and the guard."
            )
        setattr(module, name, replacement)


def _make_engine(entry: TenantEntry, settings: Settings) -> Engine:
    engine = create_engine(
        entry.placement.url.set(drivername="postgresql+twin"),
        connect_args={
            "application_name": "twin",
            "connection_factory": WatchedConnection,
            "cursor_factory": BoundedCursor,
            **NETWORK_LIMITS,
        },
        pool_size=settings.connections_per_server or BEFORE_ASKING,
        max_overflow=0,
        pool_timeout=settings.checkout_timeout_seconds,
        pool_use_lifo=True,
        use_native_hstore=False,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        hide_parameters=True,
    )
    engine.dialect.slow_seconds = settings.slow_query_ms / 1000  # type: ignore[attr-defined]
    event.listen(engine, "checkout", replace_if_lost)
    return engine
