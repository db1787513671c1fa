"""Fixtures of tests that import into a tenant."""

import pytest
from flask import Flask

from tests.recruiting.imports.importing import Importer
from trially.tenancy.catalog import Tenant


@pytest.fixture
def importer(app: Flask, tenant: Tenant) -> Importer:
    """Imports into `tenant`."""
    return Importer(app, tenant)
