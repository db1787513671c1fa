"""`flask db`: Flask-Migrate's commands, with the databases that they need prepared beforehand."""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from alembic.config import Config
from flask import Flask, current_app, g
from flask.helpers import get_debug_flag
from flask_migrate import Migrate
from flask_migrate.cli import db as flask_migrate_group
from sqlalchemy import func, select

from trially.database.session import db
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.pinning import is_served
from trially.tenancy.schema.catalog_revision import require_catalog
from trially.tenancy.schema.downgrade_losses import dropped_between
from trially.tenancy.schema.lineages import TENANT_LINEAGE
from trially.tenancy.schema.revision_files import newest_revision
from trially.tenancy.schema.stepping import BASE
from trially.tenancy.schema.templates import template_database
from trially.tenancy.servers.access import server_access
from trially.terminal import NOTHING, Command, CommandGroup, Loss, plural
from trially.terminal.command import Losses, enter_app
from trially.terminal.errors import errors_as_sentences

ON_SCRATCH = frozenset({"check", "migrate", "revision"})
"""Commands that visit no tenant: the tenants' lineage runs them in a scratch database."""

CHANGE_DATABASES = frozenset({"downgrade", "stamp", "upgrade"})
"""Commands that are recorded. The others change files, or a scratch database that they drop."""

FILES_ONLY = frozenset({"branches", "heads", "history", "show"})
"""Commands that only read the migration files."""


def loss_of_downgrading(
    revision: str | None, *, sql: bool, directory: str | None, **_: Any
) -> Loss | None:
    """Return what a downgrade drops."""
    if sql:
        return None
    names = undone_by(_lineage(directory), revision or "-1")
    undone = ", ".join(names) or "those that Alembic finds"
    return Loss(
        f"{_migrated(directory)} will be migrated back. Undone from the newest revision: {undone}."
        f" {_dropped_by(_lineage(directory), names)}"
        " `flask tenants downgrade` migrates single tenants back.",
        "Downgrade?",
    )


def loss_of_stamping(revision: str, *, sql: bool, directory: str | None, **_: Any) -> Loss | None:
    """Return what `stamp` overwrites."""
    if sql:
        return None
    return Loss(
        f"The recorded revision of {_migrated(directory)} will be overwritten with"
        f" {revision}, without any migration. Later migrations fail if it is"
        " wrong.",
        "Stamp?",
    )


LOSSES: Mapping[str, Losses] = {
    **dict.fromkeys(
        (
            *("branches", "check", "current", "edit", "heads", "history", "init"),
            *("list-templates", "merge", "migrate", "revision", "show", "upgrade"),
        ),
        NOTHING,
    ),
    "downgrade": loss_of_downgrading,
    "stamp": loss_of_stamping,
}
"""What each command of Flask-Migrate loses. A new command of its fails the import until it is here.
"""


class MigrationGroup(CommandGroup):
    """The group `flask db`. Its own options need the app, because they are stored in its context.

    `flask --debug db …` shows the traceback of an error.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with nullcontext() if get_debug_flag() else errors_as_sentences():
            enter_app(ctx, needs_routes=True)
            init_migrations(current_app)
            return super().invoke(ctx)


def init_migrations(app: Flask) -> None:
    """Set up Flask-Migrate: on the tenants' lineage, unless `--directory` names the other.

    No other command needs it, and servers do not load Alembic.
    """
    # Flask-Migrate adds its own group of commands to the app, which must not replace `flask db`.
    migrate = Migrate(
        app, db, directory=str(TENANT_LINEAGE), command="flask-migrate", render_as_batch=False
    )
    migrate.configure(_prepare)


def _wrap(name: str, wrapped: click.Command) -> Command:
    return Command(
        name,
        params=list(wrapped.params),
        callback=wrapped.callback,
        help=wrapped.help,
        loses=LOSSES[name],
        only_reads=name not in CHANGE_DATABASES,
    )


migrations = MigrationGroup(
    "db",
    commands={name: _wrap(name, each) for name, each in flask_migrate_group.commands.items()},
    callback=flask_migrate_group.callback,
    params=flask_migrate_group.params,
    help="Write migrations, and migrate the databases.\n\n"
    "An error is printed as one sentence; `flask --debug db …` shows its traceback.",
)


def undone_by(lineage: Path, target: str) -> list[str]:
    """Return the names of the migrations that a downgrade to `target` undoes, newest first.

    `target` is a revision, `base`, or a number of revisions such as `-2`. Returns nothing for
    Alembic's other ways to name a revision.
    """
    names = sorted(path.stem for path in (lineage / "versions").glob("[0-9]*.py"))[::-1]
    if target == "base":
        return names
    if re.fullmatch(r"-[0-9]+", target):
        return names[: int(target[1:])]
    if re.fullmatch(r"[0-9]{4}", target):
        return [name for name in names if name.partition("_")[0] > target]
    return []


def _dropped_by(lineage: Path, undone: Sequence[str]) -> str:
    """Return what the downgrade of some migrations drops, as a sentence."""
    if lineage != TENANT_LINEAGE or not undone:
        return "Tables and columns that these migrations created are dropped with all their rows."
    oldest = int(undone[-1].partition("_")[0])
    head, target = newest_revision(lineage), f"{oldest - 1:04d}" if oldest > 1 else BASE
    return f"Dropped with all their rows: {dropped_between({head}, target)[head]}."


def _lineage(directory: str | None) -> Path:
    """Return the lineage of a command: its own `--directory`, or that of `flask db`."""
    return Path(directory or g.get("directory") or TENANT_LINEAGE).resolve()


def _migrated(directory: str | None) -> str:
    """Return what a command of the current context migrates, as a noun."""
    if _lineage(directory) != TENANT_LINEAGE:
        return "The catalog"
    require_catalog()
    with catalog_transaction() as session:
        tenants = session.scalar(select(func.count()).select_from(Tenant).where(is_served())) or 0
    return f"Every tenant ({plural(tenants, 'tenant')})"


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
    prints_sql = bool(click_context and click_context.params.get("sql"))
    # Other commands on the catalog's lineage create its database, and `upgrade` its tables.
    if is_on_scratch or (is_tenants and command not in FILES_ONLY and not prints_sql):
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
