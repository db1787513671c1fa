"""A fleet whose administrator is no superuser, as on a managed server."""

from dataclasses import replace
from uuid import uuid4

import pytest
from fleets import TIER_OF_NAME, Fleet
from tenant_databases import access_of, ask, remove_installation

from trially import create_app
from trially.database.session import db
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.installing import install


@pytest.fixture
def plain_fleet(app, settings):
    """A fleet whose administrator may create roles and databases, and nothing else."""
    name, catalog = f"boss_{uuid4().hex[:8]}", f"plain_{uuid4().hex[:8]}"
    ask(app, f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD 'plain'")
    ask(app, f"GRANT CONNECT ON DATABASE postgres TO {name}")
    url = access_of(app).admin_url.set(username=name, password="plain")
    own = create_app(replace(settings, database_url=url, catalog_database=catalog))
    tenants = {}
    try:
        with own.app_context():
            install()
            for kind, tier in TIER_OF_NAME.items():
                for number in ("one", "two"):
                    slug = f"{kind}-{number}"
                    tenants[slug] = create_tenant(slug, slug, tier=tier)
        yield Fleet(own, tenants)
    finally:
        with own.app_context():
            control_engine().dispose()
            for engine in list(db.engines.values()):
                engine.dispose()
        remove_installation(app, catalog)
        ask(app, f"REVOKE CONNECT ON DATABASE postgres FROM {name}; DROP ROLE {name}")
