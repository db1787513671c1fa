"""Access to the databases below the app: as the administrator, or with a tenant's login role."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from flask import Flask
from psycopg2 import sql
from psycopg2.extensions import connection

from trially.database.connecting import connect
from trially.database.placement import Placement
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.directory import directory
from trially.tenancy.servers.access import ServerAccess, server_access
from trially.tenancy.servers.connections import execute

TIERS = tuple(tier for tier in Tier if tier is not Tier.SILO)
"""The tiers of tenants that share an instance."""

TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'tenant'::regnamespace"
    " AND relkind IN ('r', 'p') AND relname <> 'alembic_version' ORDER BY relname"
)
"""Selects the names of a tenant's tables."""

ROLES_OF_TENANTS = (
    "SELECT DISTINCT rolname FROM pg_roles JOIN pg_shdepend ON refobjid = pg_roles.oid"
    " JOIN pg_database ON pg_database.oid IN (dbid, objid)"
    " WHERE refclassid = 'pg_authid'::regclass AND rolname ~ '^[ts]_[0-9a-f]{12}$'"
    " AND datname = ANY(%s)"
)
"""Selects the roles of tenants that own or may use something in some databases."""


def placement_of(app: Flask, tenant: Tenant) -> Placement:
    with app.app_context():
        return directory().find(str(tenant.id), fresh=True).placement


def access_of(app: Flask) -> ServerAccess:
    with app.app_context():
        return server_access()


@contextmanager
def as_tenant(app: Flask, tenant: Tenant, database: str | None = None) -> Iterator[connection]:
    """Connect with a tenant's login role, to the tenant's database or another."""
    url = placement_of(app, tenant).url
    with closing(connect(url.set(database=database) if database else url)) as raw:
        yield raw


def ask(app: Flask, statement: str, *parameters: Any, database: str | None = None) -> list[Any]:
    """Run a statement as the administrator, and return its rows."""
    with access_of(app).administer(database) as raw:
        return execute(raw, statement, *parameters)


def ask_in(app: Flask, tenant: Tenant, statement: str, *parameters: Any) -> list[Any]:
    """Run a statement as the administrator in a tenant's database, and return its rows."""
    return ask(app, statement, *parameters, database=tenant.placement.database)


def remove_installation(app: Flask, catalog: str) -> None:
    """Drop all databases and roles of another installation on this server."""
    with access_of(app).administer() as raw:
        execute(
            raw,
            "UPDATE pg_database SET datistemplate = false WHERE starts_with(datname, %s)",
            catalog,
        )
        owned = execute(
            raw,
            "SELECT datname FROM pg_database WHERE datdba ="
            " (SELECT oid FROM pg_roles WHERE rolname = %s)",
            f"{catalog}_owner",
        )
        names = [name for (name,) in owned]
        roles = [role for (role,) in execute(raw, ROLES_OF_TENANTS, names)]
        for name in names:
            execute(raw, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in (*roles, f"{catalog}_owner", f"{catalog}_reader"):
            execute(raw, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
