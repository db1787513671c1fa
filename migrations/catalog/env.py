"""Run the catalog's migrations: `flask db --directory migrations/catalog upgrade`."""

from alembic import context

from trially.tenancy.schema.installing import open_catalog
from trially.tenancy.schema.lineages import CATALOG_LINEAGE, run_lineage

connection = context.config.attributes.get("connection")
if connection is not None:
    run_lineage(CATALOG_LINEAGE, connection, "catalog")
else:
    with open_catalog() as connection:
        run_lineage(CATALOG_LINEAGE, connection, "catalog")
