"""Run the tenants' migrations: `flask db upgrade` migrates the placement of every tenant."""

from alembic import context

from trially.tenancy.migrating.fleet_migrations import run_command

run_command(context.config.attributes)
