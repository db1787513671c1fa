"""An installation with two tenants of each tier, and holes that are made in it and mended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from tenant_databases import access_of, remove_installation

from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import Settings
from trially.database.session import db, transaction
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.installing import install
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

TIER_OF_NAME = {
    "dedicated": Tier.DEDICATED_DATABASE,
    "schema": Tier.OWN_SCHEMA,
    "pooled": Tier.POOLED_ROWS,
}


@dataclass(frozen=True)
class Fleet:
    """An installation of its own, with the tenants `<name>-one` and `<name>-two` of each tier."""

    app: Flask
    tenants: dict[str, Tenant]

    def run(self, *arguments: Any) -> Any:
        runner = self.app.test_cli_runner()
        return runner.invoke(args=[str(argument) for argument in arguments])

    @property
    def catalog(self) -> str:
        return str(state_of(self.app).settings.catalog_database)

    def database(self, slug: str) -> str:
        return self.tenants[slug].placement.database

    def administer(self, statement: str, *parameters: Any, of: str | None = None) -> list[Any]:
        """Run a statement as the administrator, in a tenant's database, "catalog" or the first."""
        database = self.database(of) if of in self.tenants else of and self.catalog
        with self.app.app_context(), server_access().administer(database) as raw:
            return execute(raw, statement, *parameters)

    def spell(self, statement: str) -> str:
        """Fill the names of placements into a statement: `{pooled_one.database}`."""
        names = {slug.replace("-", "_"): tenant.placement for slug, tenant in self.tenants.items()}
        return statement.format(**names, catalog=self.catalog)


@pytest.fixture(scope="module")
def fleet(app: Flask, settings: Settings) -> Iterator[Fleet]:
    catalog = f"proof_{uuid4().hex[:8]}"
    access = access_of(app)
    own = create_app(replace(settings, database_url=access.admin_url, catalog_database=catalog))
    tenants = {}
    with own.app_context():
        install()
        for name, tier in TIER_OF_NAME.items():
            for number in ("one", "two"):
                slug = f"{name}-{number}"
                tenants[slug] = create_tenant(slug, f"Customer {name} {number}", tier=tier)
                with tenant_context(slug):
                    add_member(f"owner|{slug}", Role.OWNER)
                with tenant_context(slug), transaction():
                    db.session.add(Site(name="Here"))
    yield Fleet(own, tenants)
    with own.app_context():
        control_engine().dispose()
        for engine in list(db.engines.values()):
            engine.dispose()
    remove_installation(app, catalog)


@pytest.fixture
def hole(fleet: Fleet) -> Iterator[Callable[..., None]]:
    """Make a hole in the installation, and mend it after the test."""
    mending: list[tuple[str, str | None]] = []

    def make(hole: str, mended: str, of: str | None = None) -> None:
        fleet.administer(fleet.spell(hole), of=of)
        mending.append((fleet.spell(mended), of))

    yield make
    for statement, of in reversed(mending):
        fleet.administer(statement, of=of)
