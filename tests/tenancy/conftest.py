from dataclasses import replace
from uuid import uuid4

import pytest
from psycopg2 import sql
from tenant_databases import access_of

from trially import create_app
from trially.tenancy.catalog import control_engine
from trially.tenancy.installing import install
from trially.tenancy.servers import execute


@pytest.fixture
def blank_app(app, settings):
    """Make apps of an installation that has no catalog yet, and may be in production."""
    catalog = f"other_{uuid4().hex[:8]}"

    def make(**changes):
        url = access_of(app).admin_url
        return create_app(replace(settings, database_url=url, catalog_database=catalog, **changes))

    yield make
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
        for (name,) in owned:
            execute(raw, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in ("owner", "reader"):
            name = sql.Identifier(f"{catalog}_{role}")
            execute(raw, sql.SQL("DROP ROLE IF EXISTS {}").format(name))


@pytest.fixture
def own_app(blank_app):
    """An installation with no tenants but a test's own, for commands that visit them all."""
    own = blank_app()
    with own.app_context():
        install()
    yield own
    with own.app_context():
        control_engine().dispose()
