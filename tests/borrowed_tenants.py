"""Tenants that tests use one after the other. To empty one is much faster than to create one.

A tenant is lent again only if its rows in the catalog and the definitions of its tables are as they
were. So a test may suspend a borrowed tenant, or alter a table.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from flask import Flask
from members import MakeTenant
from psycopg2 import sql
from psycopg2.extensions import connection
from tenant_databases import access_of, ask, ask_in

from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.servers.connections import execute

BorrowTenant = Callable[..., Tenant]
"""`borrow_tenant(tier)`: a tenant of the tier, by default with a database of its own."""

IN_CATALOG = (
    "SELECT tenant::text, placement::text FROM tenant"
    " JOIN placement ON placement.tenant_id = tenant.id WHERE tenant.id = %s"
)
USED_TABLES = (
    "SELECT relname, pg_relation_size(oid) FROM pg_class"
    " WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'"
    " AND pg_relation_size(oid) > 0"
)
DEFINITIONS = """
SELECT count(*), max(id) FROM (
    SELECT xmin::text::bigint AS id FROM pg_class WHERE relnamespace = {0}
    UNION ALL SELECT xmin::text::bigint FROM pg_constraint WHERE connamespace = {0}
    UNION ALL SELECT pg_attribute.xmin::text::bigint FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = {0}
    UNION ALL SELECT pg_trigger.xmin::text::bigint FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace = {0}
    UNION ALL SELECT pg_policy.xmin::text::bigint FROM pg_policy
        JOIN pg_class ON pg_class.oid = polrelid WHERE relnamespace = {0}
) AS defined
"""
"""Selects the number of rows that define a schema's tables, and the last transaction of them."""

PREPARE = "SET lock_timeout = '2s'; SET session_replication_role = replica"
FORGET_STATISTICS = (
    "DELETE FROM pg_statistic USING pg_class"
    " WHERE pg_class.oid = starelid AND relnamespace = %s::regnamespace"
)
MOST_BYTES = 1 << 20
"""Of one table. A test that wrote more leaves so many dead rows that later tests would be slow."""


@dataclass
class Lender:
    """Creates tenants, and lends those that come back empty."""

    app: Flask
    make_tenant: MakeTenant
    free: defaultdict[Tier, list[tuple[Tenant, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def lend(self, tier: Tier) -> tuple[Tenant, Any]:
        """Return an empty tenant, and how it is known."""
        if self.free[tier]:
            return self.free[tier].pop()
        tenant = self.make_tenant(tier)
        return tenant, self._known(tenant)

    def take_back(self, tier: Tier, tenant: Tenant, known: Any) -> None:
        """Empty a tenant and keep it, unless it has changed or cannot be emptied."""
        try:
            if self._known(tenant) == known and self._empty(tenant):
                self.free[tier].append((tenant, known))
        except psycopg2.Error:
            return

    def _known(self, tenant: Tenant) -> Any:
        """Return what the catalog has of a tenant, and what defines its tables."""
        catalog = state_of(self.app).settings.catalog_database
        definitions = sql.SQL(DEFINITIONS).format(
            sql.SQL("{}::regnamespace").format(sql.Literal(tenant.placement.schema))
        )
        return (
            ask(self.app, IN_CATALOG, tenant.id, database=catalog),
            ask_in(self.app, tenant, definitions),
        )

    def _empty(self, tenant: Tenant) -> bool:
        placement = tenant.placement
        # The forms of audit records are deleted too.
        state_of(self.app).known_audit_forms.clear()
        with access_of(self.app).administer(placement.database) as raw:
            return _delete_rows(raw, placement.schema)


def _delete_rows(raw: connection, schema: str) -> bool:
    """Delete the rows of all tables of a schema; return False if they are too many."""
    used = execute(raw, USED_TABLES, schema)
    if any(size > MOST_BYTES for _, size in used):
        return False
    deleting = [sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, name)) for name, _ in used]
    execute(raw, sql.SQL("; ").join([sql.SQL(PREPARE), *deleting]))
    execute(raw, FORGET_STATISTICS, schema)
    return True
