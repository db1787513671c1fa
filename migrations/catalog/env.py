"""Run the catalog's migrations: `flask db --directory migrations/catalog upgrade`."""

from alembic import context

from trially.tenancy.catalog import CATALOG_SCHEMA
from trially.tenancy.schema.installing import open_catalog
from trially.tenancy.schema.lineages import CATALOG_LINEAGE, run_lineage

attributes = context.config.attributes
if "connection" in attributes:
    run_lineage(CATALOG_LINEAGE, attributes["connection"], attributes["schema"])
else:
    with open_catalog() as connection:
        run_lineage(CATALOG_LINEAGE, connection, CATALOG_SCHEMA)
