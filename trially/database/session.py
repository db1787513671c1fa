"""The session of one app context. It has an engine only after a tenant has been entered."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, Engine, text

from trially.database.connecting import Login
from trially.database.connecting import open_connection as open_raw_connection
from trially.database.direct import (
    close_direct,
    end_direct,
    let_adopt,
    transaction_connection,
    unadopted,
)
from trially.database.ending import follow_commit, follow_rollback, prepare_commit
from trially.database.engines import EngineRegistry, Limits
from trially.database.following import open_batch, open_where_placed
from trially.database.placed_session import PlacedSession
from trially.database.watching import GRACE_SECONDS, WatchedConnection
from trially.request_state import request_state
from trially.state import state_of

CATALOG_CHECKOUT_SECONDS = 2
"""How long a thread waits for a connection to the catalog."""

SESSION_OPTIONS = {"class_": PlacedSession, "join_transaction_mode": "control_fully"}

db = SQLAlchemy(session_options=dict(SESSION_OPTIONS), add_models_to_shell=False)
let_adopt(db.session)


def commit() -> None:
    """Commit the transaction of this context, of its session or direct, with its audit record."""
    if unadopted() is not None:
        prepare_commit()
    # What the record needed may have asked for the session.
    if unadopted() is None:
        db.session.commit()
        return
    end_direct(Connection.commit)
    follow_commit()


def roll_back_transaction() -> None:
    """Roll back the transaction of this context, if there is one."""
    if unadopted() is not None:
        try:
            end_direct(Connection.rollback)
        finally:
            close_direct()
            follow_rollback()
    elif db.session.registry.has():
        db.session.rollback()


def is_in_transaction() -> bool:
    """Return whether this context has begun a transaction."""
    if unadopted() is not None:
        return True
    return bool(db.session.registry.has() and db.session().in_transaction())


def open_connection() -> Connection:
    """Return the connection of this context's transaction, which begins with its next statement."""
    return transaction_connection(db.session)


@contextmanager
def transaction() -> Iterator[None]:
    """Commit the block's changes to the current tenant's rows, or roll them back on an exception.

    For commands, and for jobs that commit in batches. In a request, the request cycle commits.
    Inside `rolled_back`, it is a savepoint. If this context cannot begin again, the transaction is
    a batch: it follows the tenant to its present place, and waits for a move that is about to
    switch.
    """
    if request_state().rolls_back:
        with db.session.begin_nested():
            yield
        return
    try:
        if not request_state().can_repeat:
            open_batch(db.session())
        yield
        db.session.commit()
        request_state().has_committed = True
    except BaseException:
        db.session.rollback()
        raise


@contextmanager
def rolled_back() -> Iterator[None]:
    """Run the block in one transaction, and roll it back at the end.

    The transactions in the block become savepoints: each sees what the earlier ones wrote.
    """
    state = request_state()
    if not state.can_repeat:
        open_transaction()
    state.rolls_back = True
    try:
        yield
    finally:
        state.rolls_back = False
        db.session.rollback()


def open_transaction() -> None:
    """Open the transaction of this context at the tenant's present place, unless it is open.

    For work that cannot be repeated if its first statement is refused. Raises
    `StalePlacementError` if no place accepts the tenant, or `TenantSuspendedError`.
    """
    open_where_placed(db.session())


def release_connection() -> None:
    """End the open transaction, which has written nothing, before work that takes long.

    The work then holds no connection and no lock. The next statement opens another transaction.
    """
    db.session.rollback()


def check_tenant_open() -> None:
    """Run the current tenant's guard alone, before work that cannot be retried.

    Raises `StalePlacementError` or `TenantSuspendedError`.
    """
    db.session.execute(text("SELECT 1"))
    db.session.rollback()


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
                login.open, partial(open_raw_connection, connection_factory=connections[name])
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
            settings.processes,
            settings.threads,
        ),
    )
