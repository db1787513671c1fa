"""`flask audit seal`, `status` and `verify`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from trially.audit.background_sealer import seal_all
from trially.audit.catalog_log import seal_catalog, verify_catalog
from trially.audit.printing import describe_sealed, describe_verdict, verdict_as_dict
from trially.audit.sealer import Sealed, seal_tenants, status_of
from trially.audit.tenant_log import tenant_log
from trially.audit.verification import (
    TenantVerdict,
    count_sealed,
    verify_log,
    witnessed_hashes,
)
from trially.audit.witnesses import Witness, configured_witnesses, open_witness
from trially.errors import OperatorError
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.listing import slugs_of_created
from trially.tenancy.operators.keeping import OPERATORS
from trially.tenancy.repeating import in_rounds
from trially.terminal import (
    NOTHING,
    json_option,
    plural,
    print_items,
    print_json,
    progress_bar,
    table_options,
)
from trially.terminal.durations import Duration


class SealingError(OperatorError):
    """The logs of some tenants could not be sealed."""


class LogNotIntactError(OperatorError):
    """A log was changed."""


@catalog_command("seal", loses=NOTHING, needs_routes=False)
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Seal the logs of all tenants and operators.")
@click.option("--operators", "is_of_operators", is_flag=True, help="Seal the catalog's log.")
@click.option("--every", type=Duration(), help="Repeat at this interval, such as 10s, until ended.")
@json_option
def seal(
    slugs: Sequence[str],
    *,
    is_all: bool,
    is_of_operators: bool,
    every: float | None,
    as_json: bool,
) -> None:
    """Seal audit logs, and send the seals to witnesses.

    A tenant that fails is named, and the others are sealed all the same.

    \b
    Examples:
      flask audit seal acme
      flask audit seal --all --every 10s
    """  # noqa: D301
    _check_choice(bool(slugs), is_all, is_of_operators)
    witnesses = configured_witnesses()

    def seal_once() -> list[str]:
        if is_all:
            done = seal_all(witnesses)
        else:
            done = seal_catalog(witnesses) if is_of_operators else seal_tenants(slugs, witnesses)
        return _print_done(done, as_json=as_json, quiet=bool(every))

    if failed := in_rounds(every, seal_once):
        raise SealingError(
            f"{plural(len(failed), 'log')} could not be sealed: {', '.join(failed)}."
            " Correct the causes, and run the command again."
        )


@catalog_command("status", loses=NOTHING, needs_routes=False, only_reads=True)
@click.argument("slugs", metavar="[SLUG]...", nargs=-1, shell_complete=complete_slug)
@click.option("--all", "is_all", is_flag=True, help="Show the logs of all tenants.")
@table_options
def status(slugs: Sequence[str], *, is_all: bool, as_json: bool, **_: Any) -> None:
    """Show how far the seals and witnesses of audit logs are."""
    _check_choice(bool(slugs), is_all)
    witnesses = configured_witnesses()
    items = []
    for slug in slugs or slugs_of_created():
        found = status_of(slug, witnesses)
        items.append(
            {
                "slug": found.slug,
                "seals": found.seals,
                "last_sealed_at": found.last_sealed_at,
                "unsealed": found.unsealed,
                "witnesses_behind": max((each.seals for each in found.witnesses), default=None),
                "witnesses": [asdict(each) for each in found.witnesses],
            }
        )
    columns = ("slug", "seals", "last_sealed_at", "unsealed", "witnesses_behind")
    print_items(items, columns, as_json=as_json)


@catalog_command("verify", loses=NOTHING, needs_routes=False, only_reads=True)
@click.argument("slug", required=False, shell_complete=complete_slug)
@click.option("--operators", "is_of_operators", is_flag=True, help="Verify the catalog's log.")
@click.option(
    "--witness",
    "urls",
    multiple=True,
    help="URL or directory of a witness, by default TRIALLY_AUDIT_WITNESSES. Can be repeated.",
)
@click.option("--index", "checks_index", is_flag=True, help="Build the index of patients again.")
@json_option
def verify(
    slug: str | None,
    *,
    is_of_operators: bool,
    urls: Sequence[str],
    checks_index: bool,
    as_json: bool,
) -> None:
    """Verify the audit log of the tenant SLUG, with its witnesses.

    The first record that was changed, removed or moved is named. The exit status is 1 then.

    \b
    Examples:
      flask audit verify acme
      flask audit verify acme --witness /mnt/worm/seals
      flask audit verify --operators
    """  # noqa: D301
    _check_choice(slug is not None, is_of_operators)
    witnesses = [open_witness(url) for url in urls] or configured_witnesses()
    if slug is None:
        name, found = "operators", verify_catalog(witnessed_hashes(witnesses, OPERATORS))
    else:
        name, found = _verify_tenant(slug, witnesses, checks_index=checks_index)
    sentences = describe_verdict(name, found)
    if as_json:
        print_json(verdict_as_dict(name, found, sentences))
    elif found.is_intact:
        click.echo("\n".join(sentences))
    if not found.is_intact:
        raise LogNotIntactError("\n".join(sentences))


def _verify_tenant(
    slug: str, witnesses: Sequence[Witness], *, checks_index: bool
) -> tuple[str, TenantVerdict]:
    bar: Any
    with administered_tenant(slug) as entry:
        hashes = witnessed_hashes(witnesses, tenant_log())
        with progress_bar([], "Verifying", count_sealed()) as bar:
            return entry.slug, verify_log(hashes, checks_index=checks_index, report=bar.update)


def _check_choice(*choices: bool) -> None:
    if sum(choices) != 1:
        raise click.UsageError("Name tenants by their slugs, or use --all, or --operators.")


def _print_done(results: Iterable[Sealed], *, as_json: bool, quiet: bool) -> list[str]:
    """Print what was done, and return the slugs of the logs that failed."""
    done = []
    for each in results:
        done.append(each)
        if not as_json and (each.seals or each.error or not quiet):
            click.echo(describe_sealed(each), err=each.error is not None)
        for lag in each.witnesses:
            if lag.error:
                click.echo(
                    f"{each.slug}: the witness {lag.witness} is {plural(lag.seals, 'seal')} behind:"
                    f" {lag.error}",
                    err=True,
                )
    if as_json:
        print_json([asdict(each) for each in done])
    return [each.slug for each in done if each.error]
