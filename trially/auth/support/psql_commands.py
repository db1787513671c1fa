"""`flask tenants psql`."""

import click

from trially.auth.support.entering import enter
from trially.auth.support.psql import check_arguments, run_psql
from trially.state import app_state
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import get_tenant
from trially.terminal import NOTHING
from trially.terminal.words import CommandWithWords, words_after_separator


@catalog_command("psql", cls=CommandWithWords, loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.option("--write", "writes", is_flag=True, help="Allow changes. Without it, psql only reads.")
@click.pass_context
def psql(ctx: click.Context, /, slug: str, *, writes: bool) -> None:
    """Open psql in the data of the tenant SLUG, as the tenant's own role.

    It needs a support grant of the operator with the role admin and the PHI level full. Arguments
    after `--` are psql's. The audit log of the tenant says that the operator was there, and not
    which statements were run.

    \b
    Examples:
      flask tenants psql acme
      flask tenants psql acme -- -c "SELECT count(*) FROM patient"
    """  # noqa: D301
    arguments = words_after_separator(ctx)
    check_arguments(arguments)
    action = app_state().running_action
    entry = enter(get_tenant(slug), action.reason if action else None, writes=writes)
    status = run_psql(entry.placement, arguments, writes=writes, is_allowed=entry.is_allowed)
    if status:
        ctx.exit(status)
