"""Tenants that tests use one after the other. To empty one is much faster than to create one.

A tenant is lent again only if its rows in the catalog are as they were. So a test may suspend or
change a borrowed tenant, but it must not change the tables themselves.
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
from tenant_databases import access_of, ask

from trially.state import state_of
from trially.tenancy.catalog import Tenant, Tier
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
        """Return an empty tenant, and what the catalog has of it."""
        if self.free[tier]:
            return self.free[tier].pop()
        tenant = self.make_tenant(tier)
        return tenant, self._in_catalog(tenant)

    def take_back(self, tier: Tier, tenant: Tenant, in_catalog: Any) -> None:
        """Empty a tenant and keep it, unless it has changed or cannot be emptied."""
        if self._in_catalog(tenant) == in_catalog and self._empty(tenant):
            self.free[tier].append((tenant, in_catalog))

    def _in_catalog(self, tenant: Tenant) -> Any:
        catalog = state_of(self.app).settings.catalog_database
        return ask(self.app, IN_CATALOG, tenant.id, database=catalog)

    def _empty(self, tenant: Tenant) -> bool:
        placement = tenant.placement
        try:
            with access_of(self.app).administer(placement.database) as raw:
                return _delete_rows(raw, placement.schema)
        except psycopg2.Error:
            return False


def _delete_rows(raw: connection, schema: str) -> bool:
    """Delete the rows of all tables of a schema; return False if they are too many."""
    used = execute(raw, USED_TABLES, schema)
    if any(size > MOST_BYTES for _, size in used):
        return False
    deleting = [sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, name)) for name, _ in used]
    execute(raw, sql.SQL("; ").join([sql.SQL(PREPARE), *deleting]))
    execute(raw, FORGET_STATISTICS, schema)
    return True
