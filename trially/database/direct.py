"""Direct transactions: statements of the current tenant without a session.

A session costs a request more than PostgreSQL needs to answer it. A request that reads or writes
single rows by statements that are the same each time (`fixed_statements`) needs none of what a
session does. So its transaction has a connection of the tenant's pool and nothing else. All walls
are in the connection: its first statement always carries BEGIN and the guard.

As soon as something asks for the session, the session adopts the open transaction, with the very
same connection, and ends it. Thus all statements of a context are in one transaction.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.util import ScopedRegistry

from trially.database.tenant_engine import tenant_engine
from trially.request_state import request_state


class DirectTransaction:
    """A transaction that no session has begun."""

    __slots__ = ("connection", "is_adopted")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_adopted = False
        """A session has taken it over, and ends it."""


class _AdoptingRegistry(ScopedRegistry[Any]):
    """Sessions by app context. A session that is asked for adopts the direct transaction."""

    def __call__(self) -> Session:
        session: Session = super().__call__()
        if unadopted() is not None:
            try:
                session.connection()
            except BaseException:
                close_direct()
                raise
        return session

    def clear(self) -> None:
        """Forget the session of this context, and return the connection that it has not adopted."""
        super().clear()
        if unadopted() is not None:
            close_direct()


def let_adopt(sessions: "scoped_session[Any]") -> None:
    """Let these sessions adopt direct transactions.

    They need a `get_bind` that returns `adopted_connection`, if there is one, and the option
    `join_transaction_mode="control_fully"`: the session ends what it has adopted.
    """
    former: ScopedRegistry[Any] = sessions.registry
    sessions.registry = _AdoptingRegistry(former.createfunc, former.scopefunc)


def unadopted() -> DirectTransaction | None:
    """Return the direct transaction of this context, unless a session has taken it over."""
    direct = request_state().direct
    return None if direct is None or direct.is_adopted else direct


def adopted_connection() -> Connection | None:
    """Return the connection that the session of this context takes over, or has taken over."""
    direct = request_state().direct
    if direct is None:
        return None
    direct.is_adopted = True
    return direct.connection


def transaction_connection(sessions: "scoped_session[Any]") -> Connection:
    """Return the connection of this context's transaction, which may not have begun.

    If the session has no transaction, it is a direct one. Raises `PendingRollbackError` if that
    could not be committed.
    """
    direct = unadopted()
    if direct is not None:
        if not direct.connection.in_transaction():
            raise PendingRollbackError("The commit has failed. Roll back first.")
        return direct.connection
    if sessions.registry.has():
        session: Session = sessions()
        if session.in_transaction():
            return session.connection()
    connection = tenant_engine().connect()
    connection.begin()
    request_state().direct = DirectTransaction(connection)
    return connection


def end_direct(end: Callable[[Connection], None]) -> None:
    """End the direct transaction by a function, and return its connection to the pool."""
    direct = request_state().direct
    assert direct is not None  # noqa: S101
    end(direct.connection)
    close_direct()


def close_direct() -> None:
    """Return the connection of the direct transaction to the pool, which rolls back if need be."""
    state = request_state()
    direct, state.direct = state.direct, None
    if direct is not None:
        direct.connection.close()
