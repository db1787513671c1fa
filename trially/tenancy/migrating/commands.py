"""`flask tenants migrate`."""

from typing import Any

import click

from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.rehearsing import rehearse
from trially.tenancy.migrating.reporting import ProgressLine, print_outcome, print_rehearsal
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.migration_runs import RunState
from trially.terminal import NOTHING, json_option


class FailureLimit(click.ParamType[str]):
    """A number of failures, or a percentage of the places."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, or fail if it is neither."""
        number = str(value).removesuffix("%")
        if not number.isdecimal() or int(number) < 1:
            self.fail(f"{value!r} is neither a number from 1 on nor a percentage.", param, ctx)
        return str(value)


@catalog_command("migrate", loses=NOTHING)
@click.argument("slugs", nargs=-1, metavar="[SLUG]...", shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Migrate all tenants.")
@click.option(
    "--canary",
    "canaries",
    multiple=True,
    help="Migrate this tenant first, or a number of tenants of all tiers. A failure of theirs stops"
    " the run.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    help="Then migrate the tenants with NAME=VALUE: kind, plan, region, server or tier.",
)
@click.option("--wave-size", type=click.IntRange(1), help="Migrate in waves of so many.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=RunOptions.workers,
    show_default=True,
    help="The most connections to one server.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.01),
    default=RunOptions.rate,
    show_default=True,
    help="The most tenants of one server that begin in a second.",
)
@click.option(
    "--stop-at-failures",
    "stop_at",
    type=FailureLimit(),
    default=RunOptions.stop_at,
    show_default=True,
    help="Stop after so many failures, or a percentage such as 5%.",
)
@click.option("--to", "target", default="head", show_default=True, help="The revision to reach.")
@click.option(
    "--resume", "resumes", is_flag=True, help="Finish the last run, with its own options."
)
@click.option(
    "--dry-run",
    "is_rehearsal",
    is_flag=True,
    help="Migrate clones of the largest tenant of each tier instead, and estimate the run.",
)
@json_option
def migrate(
    slugs: tuple[str, ...],
    *,
    is_all: bool,
    target: str,
    resumes: bool,
    is_rehearsal: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Migrate the tables of the tenants SLUG, or of all.

    Blank schemas come first, then canaries, then the groups in their order, then the rest. A
    tenant that fails is named, keeps its revision and stays in service; the others are migrated.
    Tenants that share tables are migrated together. The exit status is 1 if any failed.

    \b
    Examples:
      flask tenants migrate --all --canary acme --wave-size 50
      flask tenants migrate --resume
    """  # noqa: D301
    if sum((bool(slugs), is_all, resumes)) != 1:
        raise click.UsageError("Name tenants, or pass either --all or --resume.")
    if is_rehearsal:
        print_rehearsal(rehearse(RunOptions(slugs=slugs, **options), to=target), as_json=as_json)
        return
    line = ProgressLine()
    progress = migrate_tenants(
        RunOptions(slugs=slugs, **options), to=target, resumes=resumes, watch=line, wait=line.wait
    )
    print_outcome(progress, as_json=as_json)
    if progress.state is not RunState.DONE:
        raise click.exceptions.Exit(1)
