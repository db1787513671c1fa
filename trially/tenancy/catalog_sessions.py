"""How the catalog is reached: with a role that may only read, or as the administrator."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from trially.database.planes import is_platform_request
from trially.database.session import db

READER_BIND = "catalog"
"""Bind key of the catalog for request handling: its role may only read."""


CONTROL_BIND = "control"
"""Bind key of the catalog for lifecycle commands: its role may write."""


def control_engine() -> Engine:
    """Return the catalog's engine for lifecycle commands.

    A request to the platform API gets that of the reader. So it can use what commands read with,
    and PostgreSQL refuses what commands write with.
    """
    return _engine(READER_BIND if is_platform_request() else CONTROL_BIND)


def reader_engine() -> Engine:
    """Return the catalog's engine for request handling."""
    return _engine(READER_BIND)


@contextmanager
def catalog_transaction() -> Iterator[Session]:
    """Open a control-plane session that commits after the block, or rolls back on an error."""
    with Session(control_engine(), expire_on_commit=False) as session, session.begin():
        yield session


def _engine(bind_key: str) -> Engine:
    if not current_app:
        raise RuntimeError("The catalog needs an app context.")
    return db.engines[bind_key]
