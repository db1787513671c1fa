"""Run the tenants' migrations: `flask db upgrade` visits every tenant's placement."""

from alembic import context

from trially.tenancy.migrating import TENANT_LINEAGE, run_lineage
from trially.tenancy.templates import each_migration_target

connection = context.config.attributes.get("connection")
if connection is not None:
    run_lineage(TENANT_LINEAGE, connection, context.config.attributes["schema"])
else:
    is_revising = getattr(context.config.cmd_opts, "autogenerate", False)
    for connection, schema in each_migration_target(scratch_only=is_revising):
        run_lineage(TENANT_LINEAGE, connection, schema)
