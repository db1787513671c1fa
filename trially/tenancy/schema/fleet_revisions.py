"""What a process knows of the revisions of the catalog and of all tenants, for its readiness."""

import time
from collections import Counter
from collections.abc import Mapping
from threading import Lock

from flask import Flask
from sqlalchemy import Connection, text

from trially.observability.metrics import catalog_migrated, tenants_by_revision
from trially.state import app_state, state_of
from trially.tenancy.catalog import CATALOG_SCHEMA
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.schema.revision_files import CATALOG_LINEAGE
from trially.tenancy.schema.revisions import Revision, compare, count_tenants, needed_revision

COUNTING_SECONDS = 5.0
"""How often a process counts the tenants at most, however often it is asked."""

_VERSION_TABLE = f"{CATALOG_SCHEMA}.alembic_version"


class FleetRevisions:
    """The catalog's revision, and how many tenants are behind. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count_again_at = 0.0
        self.tenants: Mapping[Revision, int] | None = None
        """The number of tenants by revision when they were last counted; None before that."""

        catalog_migrated.set(1)

    def read(self) -> Revision:
        """Read the catalog's revision, and count the tenants if they were not counted of late.

        Raises `CatalogUnavailableError` or `WrongSecretKeyError`, or an error of Alembic or of
        the system if the files of the migrations cannot be read.
        """
        needed = needed_revision(CATALOG_LINEAGE)
        return catalog_reader().ask(lambda: self._read(needed))

    def _read(self, needed: str) -> Revision:
        with reader_engine().connect() as catalog:
            revision = compare(_revision_of(catalog), needed)
            # An older catalog may lack the column that is counted by.
            has_counts = revision in {Revision.CURRENT, Revision.NEWER}
            catalog_migrated.set(int(has_counts))
            if has_counts and self._must_count():
                self._record(count_tenants(catalog))
        return revision

    def _must_count(self) -> bool:
        with self._lock:
            now = time.monotonic()
            is_due = self.tenants is None or now >= self._count_again_at
            if is_due:
                self._count_again_at = now + COUNTING_SECONDS
        return is_due

    def _record(self, counts: Counter[Revision]) -> None:
        self.tenants = counts
        for revision in Revision:
            tenants_by_revision.labels(revision.value).set(counts[revision])


def fleet_revisions() -> FleetRevisions:
    """Return what the current app knows."""
    return app_state().fleet_revisions


def init_app(app: Flask) -> None:
    """Let the app read revisions."""
    state_of(app).fleet_revisions = FleetRevisions()


def _revision_of(catalog: Connection) -> str | None:
    if catalog.scalar(text("SELECT to_regclass(:table)"), {"table": _VERSION_TABLE}) is None:
        return None
    revision: str | None = catalog.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))
    return revision
