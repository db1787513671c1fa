"""What tests of erasures ask: whether any database, statistic or file still has a marker."""

import os
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import URL, select
from tenant_databases import access_of

from trially.config import current_settings
from trially.embedded_postgres.cluster import find_binaries
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.erasing.database_search import databases_of
from trially.tenancy.erasing.model import Erasure
from trially.tenancy.servers.connections import execute

STATISTICS = (
    "SELECT tablename, attname FROM pg_stats WHERE"
    " most_common_vals::text ~* %s OR histogram_bounds::text ~* %s"
)


def dumps(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield the name and the dump of each database of the installation.

    The sealed log of operators' actions is left out: it keeps the slug, as decision 0053 says.
    """
    with app.app_context():
        catalog = current_settings().catalog_database
        names = {catalog, *databases_of("default")}
    for name in sorted(names):
        url = access_of(app).administrator_url(name)
        yield name, _dump(url)


def databases_with(app: Flask, *markers: str) -> list[tuple[str, str]]:
    """Return in which databases a dump has one of the markers."""
    return [(name, each) for name, dump in dumps(app) for each in markers if each in dump]


def statistics_with(app: Flask, database: str, marker: str) -> list[Any]:
    """Return the columns of a database whose statistics have a marker."""
    with access_of(app).administer(database) as raw:
        return execute(raw, STATISTICS, marker, marker)


def erasure_of(app: Flask, tenant_id: UUID) -> Erasure:
    """Return the last order to erase a tenant."""
    with app.app_context(), catalog_transaction() as session:
        return session.scalars(
            select(Erasure)
            .where(Erasure.tenant_id == tenant_id)
            .order_by(Erasure.ordered_at.desc())
            .limit(1)
        ).one()


def _dump(url: URL) -> str:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PGHOST": str(url.query.get("host", url.host)),
        "PGPORT": str(url.query.get("port", url.port)),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password or ""),
    }
    return subprocess.run(
        [
            find_binaries() / "pg_dump",
            "--exclude-table=catalog.operator_action*",
            "--exclude-table=operator_action*",
            str(url.database),
        ],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
