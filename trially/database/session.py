"""The session of one app context: it has an engine only where a tenant has been entered."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import URL, Connection, Engine, event, text

from trially.config import Settings
from trially.database.engines import PATIENCE, EngineRegistry
from trially.database.placement import WrongTenantError, current_placement
from trially.state import app_state, request_state, state_of


class PlacedSession(Session):
    """A session whose every statement goes to the current placement's engine.

    Flask-SQLAlchemy chooses an engine by model; here it is chosen by request, through the seam
    its maintainer points to for this purpose. A session stays with the tenant that it first served,
    and so does each object of it.
    """

    def get_bind(
        self,
        mapper: Any | None = None,  # noqa: ARG002
        clause: Any | None = None,  # noqa: ARG002
        bind: Engine | Connection | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Engine | Connection:
        """Return the current placement's engine.

        Raises `NoTenantError`, or `WrongTenantError` if this session has served another tenant.
        """
        placement = current_placement()
        if self.info.setdefault("tenant_id", placement.tenant_id) != placement.tenant_id:
            raise WrongTenantError("This session is another tenant's.")
        return engine_registry().engine_for(placement)

    def add(self, instance: object, *, _warn: bool = True) -> None:
        """Take an object into the session, or raise `WrongTenantError`."""
        _refuse_objects_of_others(self, instance)
        super().add(instance, _warn=_warn)


db = SQLAlchemy(session_options={"class_": PlacedSession}, add_models_to_shell=False)


@event.listens_for(PlacedSession, "before_attach")
def _refuse_objects_of_others(_session: Session, item: Any) -> None:
    """Raise `WrongTenantError` for an object that is another tenant's."""
    if item.tenant_id not in (None, current_placement().tenant_id):
        raise WrongTenantError("This object is another tenant's.")


@event.listens_for(PlacedSession, "before_flush")
def _mark_as_ours(session: Session, _context: Any, _instances: Any) -> None:
    """Give new objects the current tenant, and let no object change its own."""
    tenant_id = current_placement().tenant_id
    for item in session.new:
        if item.tenant_id is None:
            item.tenant_id = tenant_id
    for item in {*session.new, *session.dirty}:
        if item.tenant_id != tenant_id:
            raise WrongTenantError("This object is another tenant's.")


def engine_registry() -> EngineRegistry:
    """Return the current app's engines of tenant databases."""
    return app_state().engines


@contextmanager
def transaction() -> Iterator[None]:
    """Commit what the block does to the current tenant's rows, or roll all of it back.

    For commands and for jobs that commit in batches; in a request, the request cycle commits.
    """
    try:
        yield
        db.session.commit()
        request_state().has_committed = True
    except BaseException:
        db.session.rollback()
        raise


def check_tenant_open() -> None:
    """Have the guard let the current tenant in or refuse, ahead of work that is not done twice."""
    db.session.execute(text("SELECT 1"))
    db.session.rollback()


def init_app(app: Flask, binds: Mapping[str, URL], settings: Settings) -> None:
    """Bind the catalog's databases by name; tenants' engines join them on demand.

    There is no default bind: a statement outside a tenant's context has nowhere to go.
    """
    patience = {name: str(limit) for name, limit in PATIENCE.items()}
    app.config["SQLALCHEMY_BINDS"] = {
        name: {
            "url": url.update_query_dict({**patience, **url.query}),
            "pool_pre_ping": True,
            "hide_parameters": True,
        }
        for name, url in binds.items()
    }
    db.init_app(app)
    with app.app_context():
        engines = db.engines
    state_of(app).engines = EngineRegistry(
        cast("MutableMapping[str | None, Engine]", engines),
        settings.connections_per_server,
        settings.checkout_timeout_seconds,
        settings.slow_query_ms / 1000,
    )
