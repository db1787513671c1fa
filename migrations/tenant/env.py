"""Run the tenants' migrations: `flask db upgrade` visits every tenant's placement."""

from alembic import context

from trially.tenancy.lifecycle.fleet_migrations import run_on_every_tenant, run_on_scratch
from trially.tenancy.schema.lineages import TENANT_LINEAGE, run_lineage

connection = context.config.attributes.get("connection")
if connection is not None:
    run_lineage(TENANT_LINEAGE, connection, context.config.attributes["schema"])
elif getattr(context.config.cmd_opts, "autogenerate", False):
    run_on_scratch()
else:
    run_on_every_tenant()
