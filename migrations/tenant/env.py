"""Run the tenants' migrations: `flask db upgrade` migrates the placement of every tenant."""

from alembic import context

from trially.tenancy.lifecycle.fleet_migrations import run_on_every_tenant, run_on_scratch
from trially.tenancy.schema.lineages import TENANT_LINEAGE, run_lineage

attributes = context.config.attributes
if "connection" in attributes:
    run_lineage(TENANT_LINEAGE, attributes["connection"], attributes["schema"])
elif attributes["is_on_scratch"]:
    run_on_scratch()
else:
    run_on_every_tenant()
