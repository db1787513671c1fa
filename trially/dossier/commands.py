"""`flask tenants dossier`."""

import datetime as dt
from pathlib import Path
from typing import Any

import click
import orjson

from trially.dossier.collecting import collect
from trially.keys import current_keys
from trially.proving.reports import State
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.key_use import refuse_while_changing
from trially.terminal import NOTHING, json_option, print_item, print_json, progress_bar

DEFAULT_DAYS = 30
DEFAULT_ATTACKERS = 3
TIME_LIMIT_MINUTES = 120


@catalog_command("dossier", loses=NOTHING)
@click.argument("slug", required=False, shell_complete=complete_slug)
@click.option(
    "--out",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Write SLUG-dossier.pdf and SLUG-dossier.json into this folder. By default the present.",
)
@click.option(
    "--days",
    type=click.IntRange(1),
    default=DEFAULT_DAYS,
    show_default=True,
    help="Count the accesses of so many days.",
)
@click.option(
    "--attackers",
    type=click.IntRange(1),
    default=DEFAULT_ATTACKERS,
    show_default=True,
    help="Number of other tenants that attack on single paths.",
)
@click.option(
    "--verify",
    "signed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Verify a dossier, PDF or JSON, and stop.",
)
@json_option
def dossier(
    slug: str | None,
    *,
    out: Path,
    days: int,
    attackers: int,
    signed: Path | None,
    as_json: bool,
) -> None:
    """Write a signed report about the tenant SLUG, for its customer.

    It says where the rows are, attacks them as other tenants, counts who saw whom, and verifies the
    audit log. It names no other tenant. The exit status is 1 if an attack was not stopped or
    something could not be shown.

    \b
    Examples:
      flask tenants dossier acme --out reports
      flask tenants dossier --verify reports/acme-dossier.pdf
    """  # noqa: D301
    if slug is not None and signed is None:
        _write(slug, out, days, attackers, as_json=as_json)
    elif signed is not None and slug is None:
        _verify(signed, as_json=as_json)
    else:
        raise click.UsageError("Name a tenant by its slug, or verify a dossier with --verify.")


def _write(slug: str, out: Path, days: int, attackers: int, *, as_json: bool) -> None:
    # Imported here: libraries for PDF take longer than all other imports of a command.
    from trially.dossier.signed_files import sign, write_files

    # With the wrong password, each login as another tenant would fail and prove nothing.
    refuse_while_changing()
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    bar: Any
    with progress_bar([], "Attacking", 1) as bar:

        def report(_section: str, done: int, steps: int) -> None:
            bar.length = steps
            bar.update(done - bar.pos)

        content = collect(slug, since, attackers, TIME_LIMIT_MINUTES * 60, report)
    document = sign(orjson.loads(orjson.dumps(content)), current_keys().in_use)
    stem = out / f"{content['tenant']['slug']}-dossier"
    write_files(document, stem)
    if as_json:
        print_json(document)
    else:
        click.echo(f"Wrote {stem}.pdf and {stem}.json.")
    attacks, is_intact = content["attacks"]["state"], content["audit"]["is_intact"]
    if attacks != State.HELD:
        click.echo(f"The walls of {slug} are {attacks}: see the attacks in the dossier.", err=True)
    if not is_intact:
        click.echo(f"The audit log of {slug} is not intact: see the dossier.", err=True)
    if attacks != State.HELD or not is_intact:
        raise click.exceptions.Exit(1)


def _verify(path: Path, *, as_json: bool) -> None:
    """Verify a dossier's signature, and that a PDF's pages are those of its signed content."""
    # Imported here: libraries for PDF take longer than all other imports of a command.
    from trially.dossier.signed_files import read_verified

    content = read_verified(path)
    slug, made_at = content["tenant"]["slug"], content["made_at"]
    item = {"is_genuine": True, "tenant": slug, "made_at": made_at}
    print_item(
        item, f"The dossier of {slug} of {made_at} is genuine and unchanged.", as_json=as_json
    )
