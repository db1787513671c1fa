"""The two lineages of migrations: the catalog's, and the one that all tenants share."""

from pathlib import Path
from typing import Any

from alembic import context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from trially.database.model import CatalogModel, TenantModel
from trially.tenancy import migration_runs  # noqa: F401  its tables are the catalog's
from trially.tenancy.schema.autogenerate import number_revision, protect_tables
from trially.tenancy.schema.protection import check_tables
from trially.tenancy.schema.revision_files import CATALOG_LINEAGE, TENANT_LINEAGE
from trially.tenancy.schema.revisions import read_revision
from trially.tenancy.schema.stepping import apply_step, load_steps
from trially.tenancy.servers.connections import driver_connection

__all__ = [
    "CATALOG_LINEAGE",
    "LOCK_TIMEOUT_SECONDS",
    "TENANT_LINEAGE",
    "alembic_config",
    "print_sql",
    "run_lineage",
    "run_upgrade",
]

LOCK_TIMEOUT_SECONDS = 5
"""Longest a migration waits for a table that other transactions use."""

_METADATA: dict[Path, MetaData] = {
    CATALOG_LINEAGE: CatalogModel.metadata,
    TENANT_LINEAGE: TenantModel.metadata,
}


def run_upgrade(lineage: Path, connection: Connection, schema: str, revision: str = "head") -> None:
    """Migrate the tables in `schema` to a revision of a lineage, over `connection`.

    Each migration is one transaction. Raises `UnprotectedTableError`, and rolls it back, if a
    tenant table would lack its policy or its trigger.
    """
    _prepare_session(connection, schema)
    raw = driver_connection(connection)

    def check() -> None:
        if lineage == TENANT_LINEAGE:
            check_tables(raw, schema)

    steps = load_steps(alembic_config(lineage))
    former = read_revision(raw, schema)
    raw.commit()
    for step in steps.forward(former, steps.check(revision)):
        apply_step(steps, connection, schema, step, after=check)


def alembic_config(lineage: Path) -> Config:
    """Return the configuration with which Alembic runs a lineage."""
    config = Config(lineage / "alembic.ini")
    config.set_main_option("script_location", str(lineage).replace("%", "%%"))
    return config


def run_lineage(lineage: Path, connection: Connection, schema: str) -> bool:
    """Run the current Alembic command on the tables in `schema`. Called by each env.py.

    Returns False if the command only reads. Raises `UnprotectedTableError`, and rolls the migration
    back, if a tenant table would lack its policy or its trigger.
    """
    _prepare_session(connection, schema)

    def check_migrated_tables(ctx: MigrationContext, *_: Any, **_options: Any) -> None:
        if not ctx.as_sql:
            check_tables(driver_connection(connection), schema)

    is_tenants = lineage == TENANT_LINEAGE
    context.configure(
        connection=connection,
        target_metadata=_METADATA[lineage],
        version_table_schema=schema,
        include_object=_is_modelled,
        compare_server_default=True,
        process_revision_directives=(
            protect_tables.chain(number_revision) if is_tenants else number_revision
        ),
        on_version_apply=check_migrated_tables if is_tenants else None,
        transaction_per_migration=True,
    )
    options = context.get_context().opts
    with context.begin_transaction():
        context.run_migrations()
    return not (options.get("dont_mutate") or options.get("as_sql"))


def print_sql(lineage: Path, schema: str) -> None:
    """Print the SQL of the current Alembic command, for one place, without a database."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=_METADATA[lineage],
        version_table_schema=schema,
        transaction_per_migration=True,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.execute(f"SET search_path = {schema}, pg_temp")
        context.run_migrations()


def _prepare_session(connection: Connection, schema: str) -> None:
    """Lock the schema for this process, and set what every migration relies on.

    Alembic does not coordinate processes. The lock makes a second process wait until the first one
    has closed its connection; the second one then finds the tables migrated.
    """
    connection.execute(text("SELECT pg_advisory_lock(hashtext(:schema))"), {"schema": schema})
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
    connection.execute(
        text("SELECT set_config('search_path', :path, false)"), {"path": f"{schema}, pg_temp"}
    )
    connection.commit()


def _is_modelled(
    item: Any,
    _name: str | None,
    kind: str,
    reflected: bool,  # noqa: FBT001
    counterpart: Any,
) -> bool:
    """Hide what autogenerate would propose to drop or to change for no reason.

    These are tables without a model, and indexes that are marked as `written_by_hand`.
    """
    if kind == "index":
        return not item.info.get("written_by_hand")
    return not (kind == "table" and reflected and counterpart is None)
