from dataclasses import replace
from uuid import uuid4

import pytest
from tenant_databases import access_of, remove_installation

from trially import create_app
from trially.tenancy.catalog import control_engine
from trially.tenancy.schema.installing import install


@pytest.fixture
def blank_app(app, settings):
    """Make apps of an installation that has no catalog yet, and may be in production."""
    catalog = f"other_{uuid4().hex[:8]}"

    def make(**changes):
        url = access_of(app).admin_url
        return create_app(replace(settings, database_url=url, catalog_database=catalog, **changes))

    yield make
    remove_installation(app, catalog)


@pytest.fixture
def own_app(blank_app):
    """An installation with no tenants but a test's own, for commands that visit them all."""
    own = blank_app()
    with own.app_context():
        install()
    yield own
    with own.app_context():
        control_engine().dispose()
