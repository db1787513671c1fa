"""Compare this process's secret keys with the fingerprints that the catalog records.

Every connection to the catalog is checked when it is taken from its pool. So no process reads or
changes the catalog with the key of another installation, and a process learns within seconds that
the key is being changed.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from psycopg2 import errors
from psycopg2.extensions import connection
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from trially.database.session import db
from trially.errors import OperatorError
from trially.keys import SecretKeys, current_keys
from trially.state import state_of
from trially.tenancy.catalog import CATALOG_SCHEMA, RecordedKey
from trially.tenancy.catalog_sessions import CONTROL_BIND, READER_BIND, control_engine

COMMAND_MAX_AGE_SECONDS = 1.0
"""How long a command relies on the fingerprints that it has read."""

_READ = f"SELECT fingerprint, is_current FROM {CATALOG_SCHEMA}.{RecordedKey.__tablename__}"

log = logging.getLogger(__name__)


class WrongSecretKeyError(OperatorError):
    """The secret key of this process is not the one that the catalog records."""


class KeyCheck:
    """Checks connections to the catalog, at most once per `max_age_seconds` if they pass."""

    def __init__(self, keys: SecretKeys, max_age_seconds: float) -> None:
        self._keys = keys
        self._max_age_seconds = max_age_seconds
        self._passed_at = float("-inf")

    def __call__(self, raw: connection, _record: Any, _proxy: Any) -> None:
        """Raise `WrongSecretKeyError` unless the recorded keys are known to this process."""
        started_at = time.monotonic()
        if started_at - self._passed_at < self._max_age_seconds:
            return
        adopt_recorded(self._keys, read_recorded(raw))
        self._passed_at = started_at


def init_app(app: Flask) -> None:
    """Check every connection to the catalog that this app uses."""
    ages = {
        CONTROL_BIND: COMMAND_MAX_AGE_SECONDS,
        READER_BIND: state_of(app).settings.placement_max_age_seconds,
    }
    with app.app_context():
        for bind, max_age_seconds in ages.items():
            check = KeyCheck(current_keys(), max_age_seconds)
            event.listen(db.engines[bind].pool, "checkout", check)


def reader_application(keys: SecretKeys) -> str:
    """Return the `application_name` of a process's sessions as the catalog's reader.

    It shows which keys the process has, so that the key is not changed while one lacks the new key.
    """
    return " ".join(["trially", *map(short_name, keys.fingerprints)])


def short_name(fingerprint: str) -> str:
    """Return the beginning of a fingerprint, for people."""
    return fingerprint[:8]


def check_at_start(app: Flask) -> None:
    """Raise `WrongSecretKeyError` if a server process starts with another installation's key.

    If the catalog cannot be reached yet, its first connection is checked instead.
    """
    with app.app_context():
        try:
            with control_engine().connect():
                pass
        except SQLAlchemyError as error:
            log.warning("The secret key is not checked yet: %s.", type(error).__name__)
        finally:
            # Requests do not use the administrator's connections.
            control_engine().dispose()


def read_recorded(raw: connection) -> dict[str, bool]:
    """Return the recorded fingerprints, and whether each is the current key's.

    Returns none if the catalog has not been migrated so far, or not granted to its reader so far.
    """
    with _autocommit(raw), raw.cursor() as cursor:
        try:
            cursor.execute(_READ)
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            return {}
        return dict(cursor.fetchall())


def adopt_recorded(keys: SecretKeys, recorded: dict[str, bool]) -> None:
    """Use the key that is recorded as current.

    Raises `WrongSecretKeyError` unless this process has every recorded key.
    """
    if not recorded:
        return
    current = next((fingerprint for fingerprint, is_current in recorded.items() if is_current), "")
    missing = {current, *recorded} - set(keys.fingerprints)
    if current in missing and len(missing) < len(recorded):
        raise WrongSecretKeyError(
            "The secret key of this installation has been changed, and TRIALLY_SECRET_KEY is still"
            " the previous one. Set TRIALLY_SECRET_KEY to the new key and"
            " TRIALLY_PREVIOUS_SECRET_KEY to this one."
        )
    if current in missing:
        raise WrongSecretKeyError(
            "TRIALLY_SECRET_KEY is not the secret key of this installation. Nothing was changed."
            " Check that TRIALLY_DATABASE_URL and TRIALLY_SECRET_KEY belong together. To change the"
            " key, follow docs/keys.md."
        )
    if missing:
        raise WrongSecretKeyError(
            "The secret key of this installation is being changed, and passwords of the previous"
            " key remain. Set TRIALLY_PREVIOUS_SECRET_KEY to the previous key until"
            " `flask keys rotate` has succeeded."
        )
    keys.use(current)


@contextmanager
def _autocommit(raw: connection) -> Iterator[None]:
    """Open no transaction on a connection during the block."""
    before = raw.autocommit
    raw.autocommit = True
    try:
        yield
    finally:
        if not raw.closed:
            raw.autocommit = before
