"""Run statements in transactions of the app itself: its roles, pooler, opening and guard."""

from contextlib import closing
from typing import Any

from psycopg2 import sql

from trially.database.engines import engine_registry
from trially.database.placement import current_placement


def run_and_roll_back(statement: str | sql.Composable) -> list[Any]:
    """Run a batch in a transaction of the current tenant, return its rows, and roll it back."""
    engine = engine_registry().engine_for(current_placement())
    with closing(engine.raw_connection()) as raw, closing(raw.cursor()) as cursor:
        try:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            raw.rollback()
