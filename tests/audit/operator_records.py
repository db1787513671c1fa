"""Records of the catalog's log since a moment."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from tenant_databases import access_of

from trially.state import state_of
from trially.tenancy.servers.connections import execute

Records = Callable[[], list[dict[str, Any]]]

COLUMNS = (
    *("id", "stage", "started", "action", "actor", "target", "reason", "outcome", "details"),
    *("written_by", "tenant_id"),
)


@pytest.fixture
def records(app: Flask) -> Iterator[Records]:
    """Return the records since the start of the test, oldest first."""
    with access_of(app).administer(state_of(app).settings.catalog_database) as raw:
        [(began,)] = execute(raw, "SELECT clock_timestamp()")

        def read() -> list[dict[str, Any]]:
            rows = execute(
                raw,
                f"SELECT {', '.join(COLUMNS)} FROM operator_action WHERE at >= %s"
                " ORDER BY transaction_id, id",
                began,
            )
            return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

        yield read
