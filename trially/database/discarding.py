"""Empty the tables that spare work and hold copies of what must not be stored any longer."""

from functools import cache

from sqlalchemy import Table, delete

from trially.database.model import TenantModel
from trially.database.placement import current_placement
from trially.database.protection import Discarded, protection_of
from trially.database.session import db


@cache
def discarded_tables() -> tuple[Table, ...]:
    """Return the tables with a column whose protection is `Discarded`, by name."""
    tables = TenantModel.metadata.tables
    return tuple(
        tables[name]
        for name in sorted(tables)
        if any(
            isinstance(protection_of(tables[name], column.name), Discarded)
            for column in tables[name].columns
        )
    )


def discard_rows(table: Table) -> int:
    """Delete the current tenant's rows of such a table, and return their number."""
    mine = table.c.tenant_id == current_placement().tenant_id
    return int(db.session.connection().execute(delete(table).where(mine)).rowcount)
