"""`flask tenants run` and `flask tenants call`."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any
from uuid import UUID

import click

from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.catalog_choices import UNSERVED, TenantStatus, Tier
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_server, complete_slug
from trially.tenancy.lifecycle.listing import TenantFilter, describe_tenants, get_tenant
from trially.tenancy.lifecycle.tenant_processes import Outcome, Processes, Work
from trially.tenancy.lifecycle.tenant_words import CALLABLE, check_command, words_for
from trially.tenancy.operators.recording import note
from trially.terminal import NOTHING, plural, print_items, print_json, progress_bar, table_options
from trially.terminal.durations import Duration
from trially.terminal.words import CommandWithWords, UnrecordedText, words_after_separator


class NoTenantsChosenError(OperatorError):
    """No tenant was chosen."""


class SomeFailedError(OperatorError):
    """The command failed for some tenants."""


class NotCallableError(OperatorError):
    """A name is not that of a function that can be imported."""


@catalog_command("call", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.argument("function", metavar="MODULE:FUNCTION")
@click.argument("arguments", metavar="[ARGUMENT]...", nargs=-1, type=UnrecordedText())
def call(slug: str, function: str, arguments: Sequence[str]) -> None:
    """Call the Python function MODULE:FUNCTION in the context of the tenant SLUG.

    The ARGUMENTs are passed as texts. Unless it returns None, the result is printed as JSON.

    \b
    Example:
      flask tenants call acme scripts.repair:count_sites
    """  # noqa: D301
    called = _find_function(function)
    with administered_tenant(slug):
        result = called(*arguments)
    if result is not None:
        print_json(result)


@catalog_command("run", cls=CommandWithWords, loses=NOTHING)
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Run it for all tenants.")
@click.option("--tier", type=click.Choice([each.value for each in Tier]), help="Only in this tier.")
@click.option("--server", shell_complete=complete_server, help="Only on this server.")
@click.option("--plan", help="Only with this plan.")
@click.option(
    "--status",
    type=click.Choice([TenantStatus.ACTIVE.value, TenantStatus.SUSPENDED.value]),
    help="Only with this status.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="The tenants for which it runs at a time.",
)
@click.option(
    "--timeout",
    type=Duration(),
    default=600.0,
    show_default="10m",
    help="How long it may take for one tenant, such as 30s. Then it is ended.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be run.")
@table_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    *,
    slugs: Sequence[str],
    is_all: bool,
    workers: int,
    timeout: float,
    dry_run: bool,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Run a command for many tenants: `flask tenants run … -- COMMAND`.

    COMMAND is a command of trially without `flask`. The slug becomes its first argument, or takes
    the place of {slug}. It may be MODULE:FUNCTION too, as in `flask tenants call`. Each tenant has
    a process of its own, so none stops the others.

    \b
    Examples:
      flask tenants run --all -- members list --json
      flask tenants run acme wells --workers 2 -- audit verify
    """  # noqa: D301
    words = words_after_separator(ctx)
    command_words = check_command(ctx.find_root(), words)
    works = [
        Work(slug, tenant_id, words_for(command_words, words, slug, tenant_id))
        for slug, tenant_id in _choose(slugs, wanted, is_all=is_all)
    ]
    if dry_run:
        items = [{"tenant": work.slug, "command": " ".join(work.words)} for work in works]
        print_items(items, ("tenant", "command"), as_json=as_json, texts=("command",))
        return
    outcomes = _run(works, workers, timeout, as_json=as_json, command=" ".join(command_words))
    print_items(
        [_describe(outcome) for outcome in outcomes],
        ("tenant", "result", "exit_status", "seconds"),
        as_json=as_json,
    )
    failed = [outcome.work.slug for outcome in outcomes if not outcome.is_done]
    if failed:
        named = ", ".join(failed[:20]) + ", …" * (len(failed) > 20)
        raise SomeFailedError(
            f"The command failed for {len(failed)} of {plural(len(outcomes), 'tenant')}: {named}."
        )


def _run(
    works: Sequence[Work], workers: int, timeout: float, *, as_json: bool, command: str
) -> list[Outcome]:
    """Run the command for each tenant, and return the outcomes by slug.

    The output of each is printed when it ends, in one piece, and each is recorded.
    """
    action = app_state().running_action
    reason = {"TRIALLY_REASON": action.reason} if action and action.reason else {}
    outcomes = []
    with (
        Processes(workers, timeout, reason) as processes,
        progress_bar(processes.run(works), "Tenants", len(works)) as ended,
    ):
        for outcome in ended:
            _record(outcome, command)
            outcomes.append(outcome)
            if not as_json:
                _print_output(outcome)
    return sorted(outcomes, key=lambda outcome: outcome.work.slug)


def _record(outcome: Outcome, command: str) -> None:
    """Record the outcome without the arguments, which may name a patient's file."""
    details = {
        "command": command,
        "exit_status": outcome.exit_status,
        "seconds": outcome.seconds,
        "result": outcome.result,
    }
    with catalog_transaction() as session:
        note(
            session,
            "tenants run",
            target=outcome.work.slug,
            tenant_id=UUID(outcome.work.tenant_id),
            details=details,
        )


def _print_output(outcome: Outcome) -> None:
    click.echo(f"== {outcome.work.slug}: {outcome.result} in {outcome.seconds:.1f} s")
    click.echo(outcome.output, nl=False)
    click.echo(outcome.errors, nl=False, err=True)


def _describe(outcome: Outcome) -> dict[str, Any]:
    return {
        "tenant": outcome.work.slug,
        "result": outcome.result,
        "exit_status": outcome.exit_status,
        "seconds": outcome.seconds,
        "output": outcome.output,
        "errors": outcome.errors,
    }


def _choose(slugs: Sequence[str], wanted: dict[str, Any], *, is_all: bool) -> list[tuple[str, str]]:
    """Return slug and id of the chosen tenants. Raises `UnknownTenantError` for a wrong slug."""
    is_filtered = any(value is not None for value in wanted.values())
    if bool(slugs) == (is_all or is_filtered):
        raise click.UsageError("Pass slugs, or --all, --tier, --server, --plan or --status.")
    if slugs:
        tenants = {tenant.id: tenant for tenant in map(get_tenant, slugs)}
        return sorted((tenant.slug, str(tenant.id)) for tenant in tenants.values())
    chosen = [
        (each["slug"], each["id"])
        for each in describe_tenants(TenantFilter(**wanted))
        if each["status"] not in UNSERVED
    ]
    if not chosen:
        raise NoTenantsChosenError("There is no such tenant. `flask tenants list` shows all.")
    return chosen


def _find_function(name: str) -> Any:
    """Return a function by `module:name`, or raise `NotCallableError`."""
    module, _, attribute = name.partition(":")
    if not CALLABLE.match(name):
        raise NotCallableError(f"{name!r} is not written as MODULE:FUNCTION.")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise NotCallableError(f"{name!r} cannot be imported ({type(error).__name__}).") from error
    if not callable(found):
        raise NotCallableError(f"{name!r} is no function.")
    return found
