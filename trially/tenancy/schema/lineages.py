"""The two lineages of migrations: the catalog's, and the one that all tenants share."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.pool import NullPool

from trially.config import ROOT
from trially.database.model import CatalogModel, TenantModel
from trially.database.session import db

CATALOG_LINEAGE = ROOT / "migrations" / "catalog"
TENANT_LINEAGE = ROOT / "migrations" / "tenant"

LOCK_TIMEOUT_SECONDS = 5
_METADATA: dict[Path, MetaData] = {
    CATALOG_LINEAGE: CatalogModel.metadata,
    TENANT_LINEAGE: TenantModel.metadata,
}


def head_of(lineage: Path) -> str:
    """Return the newest revision of a lineage."""
    head = ScriptDirectory.from_config(alembic_config(lineage)).get_current_head()
    if head is None:
        raise RuntimeError(f"There are no migrations in {lineage.name}.")
    return head


@cache
def fingerprint_of(lineage: Path) -> str:
    """Return a short digest of a lineage's files, so that an edited migration counts as another."""
    digest = hashlib.sha256()
    for script in sorted((lineage / "versions").glob("*.py")):
        digest.update(script.read_bytes())
    return digest.hexdigest()[:12]


def run_upgrade(lineage: Path, connection: Connection, schema: str) -> None:
    """Bring the tables in `schema` to the head of a lineage, over `connection`."""
    config = alembic_config(lineage)
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")


def alembic_config(lineage: Path) -> Config:
    """Return the configuration with which Alembic runs a lineage."""
    config = Config(lineage / "alembic.ini")
    config.set_main_option("script_location", str(lineage).replace("%", "%%"))
    return config


def run_lineage(
    lineage: Path,
    connection: Connection,
    schema: str,
    before_changes: Callable[[], object] = lambda: None,
) -> bool:
    """Run what Alembic was asked for, on the tables in `schema`. Called by each env.py.

    Tells whether that was to change them, and not only a question.
    Alembic knows of no other process at the same work: who comes second waits until the first has
    closed its connection, and finds nothing to do.
    """
    connection.execute(text("SELECT pg_advisory_lock(hashtext(:schema))"), {"schema": schema})
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
    connection.execute(
        text("SELECT set_config('search_path', :path, false)"), {"path": f"{schema}, pg_temp"}
    )
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=_METADATA[lineage],
        version_table_schema=schema,
        include_object=_is_modelled,
        compare_server_default=True,
        process_revision_directives=_number_revision,
        transaction_per_migration=True,
    )
    is_question = bool(context.get_context().opts.get("dont_mutate"))
    if not is_question:
        before_changes()
    with context.begin_transaction():
        context.run_migrations()
    return not is_question


def migration_connection(url: Any) -> Connection:
    """Open a SQLAlchemy connection for migrating; closing it closes the database connection."""
    return create_engine(url, poolclass=NullPool, hide_parameters=True).connect()


def init_migrations(app: Flask) -> None:
    """Give the app `flask db`: of the tenants' lineage, unless `--directory` names the other."""
    Migrate(app, db, directory=str(TENANT_LINEAGE), render_as_batch=False)


def _is_modelled(
    _item: Any,
    _name: str | None,
    kind: str,
    reflected: bool,  # noqa: FBT001
    counterpart: Any,
) -> bool:
    """Leave alone the tables that no model describes: autogenerate would propose to drop them."""
    return not (kind == "table" and reflected and counterpart is None)


def _number_revision(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Give revisions the numbers 0001, 0002, …: a listing of the files is the history."""
    script = directives[0]
    directory = ScriptDirectory(context.config.get_main_option("script_location") or "")
    head = directory.get_current_head()
    script.rev_id = f"{int(head or 0) + 1:04d}"
