"""What follows the migration of a place, in the same transaction."""

from psycopg2 import sql
from psycopg2.extensions import connection

from trially.tenancy.advisory_locks import GRANT_LOCK
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.guard import GUARD_DDL
from trially.tenancy.schema.protection import check_tables
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import TIERS


class Finishing:
    """Leaves a migrated place as a new tenant's would be."""

    def __init__(self, place: Place, raw: connection, *, has_guard: bool) -> None:
        self._place, self._raw, self._has_guard = place, raw, has_guard

    def finish(self, *, keeps_protection: bool = False) -> None:
        """Check that the tables are protected, and set guard, grants, CHECKs and row security.

        Nothing is left to do after a migration that `keeps_protection`, except in a blank schema:
        its copies must have the new columns. Raises `UnprotectedTableError`.
        """
        if keeps_protection and self._has_guard and self._place.records:
            return
        check_tables(self._raw, self._place.schema)
        self._protect()

    def _protect(self) -> None:
        place, tier = self._place, TIERS[self._place.tier]
        statements: sql.Composable = sql.SQL(f"SELECT pg_advisory_xact_lock({GRANT_LOCK});")
        if not self._has_guard:
            statements += sql.SQL(GUARD_DDL)
        if place.records:
            execute(self._raw, statements + tier.post_migration_sql(place.records[0]))
        else:
            execute(self._raw, statements)
            tier.compose_blank_schema(self._raw, place.database)

    def restore(self) -> None:
        """Set grants and row security again, after a migration that had committed in its middle."""
        self._protect()
