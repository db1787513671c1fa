"""The session of one app context. It has an engine only after a tenant has been entered."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import Connection, Engine, event, text

from trially.database.connecting import Login, open_connection
from trially.database.engines import EngineRegistry, Limits
from trially.database.placement import WrongTenantError, current_placement
from trially.database.watching import GRACE_SECONDS, WatchedConnection
from trially.state import app_state, request_state, state_of

CATALOG_CHECKOUT_SECONDS = 2
"""How long a thread waits for a connection to the catalog."""


class PlacedSession(Session):
    """A session that sends every statement to the current placement's engine.

    Flask-SQLAlchemy's session chooses an engine by model; this one chooses by request. Its
    maintainer recommends to override `get_bind` for that. A session belongs to the first tenant
    that it serves, and so do its objects.
    """

    def get_bind(self, *_args: Any, **_kwargs: Any) -> Engine | Connection:
        """Return the current placement's engine.

        Raises `NoTenantError`, or `WrongTenantError` if this session has served another tenant.
        """
        placement = current_placement()
        if self.info.setdefault("tenant_id", placement.tenant_id) != placement.tenant_id:
            raise WrongTenantError("This session belongs to another tenant.")
        return engine_registry().engine_for(placement)

    def add(self, instance: object, *, _warn: bool = True) -> None:
        """Add an object to the session, or raise `WrongTenantError`.

        The listener below checks the same. But for an object that is still in another session,
        SQLAlchemy raises its own `InvalidRequestError` before it calls the listener.
        """
        _refuse_objects_of_others(self, instance)
        super().add(instance, _warn=_warn)


db = SQLAlchemy(session_options={"class_": PlacedSession}, add_models_to_shell=False)


@event.listens_for(PlacedSession, "before_attach")
def _refuse_objects_of_others(_session: Session, item: Any) -> None:
    """Raise `WrongTenantError` for an object of another tenant."""
    if item.tenant_id not in (None, current_placement().tenant_id):
        raise WrongTenantError("This object belongs to another tenant.")


@event.listens_for(PlacedSession, "before_flush")
def _set_tenant(session: Session, _context: Any, _instances: Any) -> None:
    """Set the tenant of new objects, and refuse a changed tenant."""
    tenant_id = current_placement().tenant_id
    for item in session.new:
        if item.tenant_id is None:
            item.tenant_id = tenant_id
    for item in {*session.new, *session.dirty}:
        if item.tenant_id != tenant_id:
            raise WrongTenantError("This object belongs to another tenant.")


def engine_registry() -> EngineRegistry:
    """Return the current app's engines of tenants' databases."""
    return app_state().engines


@contextmanager
def transaction() -> Iterator[None]:
    """Commit the block's changes to the current tenant's rows, or roll them back on an exception.

    For commands, and for jobs that commit in batches. In a request, the request cycle commits.
    """
    try:
        yield
        db.session.commit()
        request_state().has_committed = True
    except BaseException:
        db.session.rollback()
        raise


def check_tenant_open() -> None:
    """Run the current tenant's guard alone, before work that cannot be retried.

    Raises `StalePlacementError` or `TenantSuspendedError`.
    """
    db.session.execute(text("SELECT 1"))
    db.session.rollback()


class ReaderConnection(WatchedConnection):
    """A connection of a request to the catalog, whose queries take milliseconds."""

    longest_seconds = 2.0


def init_app(
    app: Flask, binds: Mapping[str, Login], connections: Mapping[str, type[WatchedConnection]]
) -> None:
    """Bind the catalog's databases by name; tenants' engines are added on demand.

    `connections` are the classes of the binds' connections, which limit their statements. There is
    no default bind, so a statement outside a tenant's context fails.
    """
    settings = state_of(app).settings
    app.config["SQLALCHEMY_BINDS"] = {
        name: {
            "url": login.url,
            "creator": partial(
                login.open, partial(open_connection, connection_factory=connections[name])
            ),
            "pool_pre_ping": True,
            "pool_timeout": CATALOG_CHECKOUT_SECONDS,
            "hide_parameters": True,
        }
        for name, login in binds.items()
    }
    db.init_app(app)
    with app.app_context():
        engines = db.engines
    state_of(app).engines = EngineRegistry(
        cast("MutableMapping[str | None, Engine]", engines),
        Limits(
            settings.connections_per_server,
            settings.checkout_timeout_seconds,
            settings.idle_connection_seconds,
            settings.statement_timeout_ms / 1000 + GRACE_SECONDS,
            settings.slow_query_ms / 1000,
        ),
    )
