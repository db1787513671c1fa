"""Read rows as tuples, without numpy, which takes a tenth of a second to load."""

from collections.abc import Mapping
from typing import Any

from trially.database.session import db


def fetch_rows(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query of the current tenant as tuples."""
    with open_cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def open_cursor() -> Any:
    """Return a psycopg2 cursor of the open transaction of the current tenant."""
    return db.session.connection().connection.cursor()
