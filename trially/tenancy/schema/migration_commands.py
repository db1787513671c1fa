"""`flask db`: Flask-Migrate's commands, with the databases that they need prepared beforehand."""

from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from alembic.config import Config
from flask import Flask
from flask.helpers import get_debug_flag
from flask_migrate import Migrate
from flask_migrate.cli import db as flask_migrate_group

from trially.database.session import db
from trially.tenancy.schema.installing import require_catalog
from trially.tenancy.schema.lineages import TENANT_LINEAGE
from trially.tenancy.schema.templates import template_database
from trially.tenancy.servers.access import server_access
from trially.terminal import errors_as_sentences

ON_SCRATCH = frozenset({"check", "migrate", "revision"})
"""Commands that visit no tenant: the tenants' lineage runs them in a scratch database."""

FILES_ONLY = frozenset({"branches", "heads", "history", "show"})
"""Commands that only read the migration files."""


class MigrationGroup(click.Group):
    """The group `flask db`, which prints an error as a sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with nullcontext() if get_debug_flag() else errors_as_sentences():
            return super().invoke(ctx)


def init_migrations(app: Flask) -> None:
    """Add `flask db` to the app: on the tenants' lineage, unless `--directory` names the other."""
    migrate = Migrate(app, db, directory=str(TENANT_LINEAGE), render_as_batch=False)
    migrate.configure(_prepare)
    group = MigrationGroup(
        "db",
        commands=flask_migrate_group.commands,
        callback=flask_migrate_group.callback,
        params=flask_migrate_group.params,
        help="Write migrations, and migrate the databases.\n\n"
        "An error is printed as one sentence; `flask --debug db …` shows its traceback.",
    )
    app.cli.add_command(group)


def _prepare(config: Config) -> Config:
    """Prepare what a command needs. Flask-Migrate calls this before it enters Alembic.

    Creating the catalog and the template are Alembic commands themselves, and Alembic cannot run
    one command inside another one.
    """
    click_context = click.get_current_context(silent=True)
    command = click_context.command.name if click_context else None
    location = Path(config.get_main_option("script_location") or "").resolve()
    is_tenants = location == TENANT_LINEAGE
    is_on_scratch = command in ON_SCRATCH
    # Other commands on the catalog's lineage create its database, and `upgrade` its tables.
    if is_on_scratch or (is_tenants and command not in FILES_ONLY):
        require_catalog()
    if is_on_scratch and is_tenants:
        template_database(server_access())
    config.attributes["is_on_scratch"] = is_on_scratch
    if command == "revision":
        # Only env.py can give a revision its number, and by default this command does not run it.
        config.set_main_option("revision_environment", "true")
    if find_spec("ruff") is None:
        config.set_section_option("post_write_hooks", "hooks", "")
    return config
