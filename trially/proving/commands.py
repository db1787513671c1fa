"""`flask tenants prove`."""

import secrets
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import click
import orjson
from flask.cli import with_appcontext

from trially.keys import current_keys
from trially.proving.attempts import Attempt, Outcome
from trially.proving.reports import sign, to_report, verify
from trially.proving.running import Pairing, choose_pairings, prove
from trially.state import app_state
from trially.tenancy.lifecycle.key_use import refuse_while_changing
from trially.tenancy.schema.installing import require_catalog
from trially.terminal import (
    Command,
    json_option,
    print_item,
    print_items,
    print_json,
    progress_bar,
)

DEFAULT_ATTACKERS = 3
COLUMNS = (
    Outcome.HELD,
    Outcome.LIMIT,
    Outcome.NOT_APPLICABLE,
    Outcome.INCONCLUSIVE,
    Outcome.BREACHED,
)


@click.command("prove", cls=Command)
@click.argument("slugs", nargs=-1, metavar="[SLUG]…")
@click.option(
    "--attackers",
    type=click.IntRange(min=1),
    default=DEFAULT_ATTACKERS,
    show_default=True,
    help="Number of other tenants that attack each one; half of them are in its own database.",
)
@click.option("--seed", type=int, help="Choose the same attackers as the run that printed this.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the signed report to this file.",
)
@click.option("--dry-run", is_flag=True, help="List the attackers of each tenant, and stop.")
@click.option(
    "--verify",
    "signed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Verify the signature of this report, and stop.",
)
@json_option
@with_appcontext
def prove_tenants(
    slugs: tuple[str, ...],
    signed: Path | None,
    *,
    attackers: int,
    seed: int | None,
    dry_run: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Verify that tenants cannot reach each other's rows.

    Attacks each SLUG, or every tenant, as other tenants. Exits with 1 if an attack succeeds, or
    fails for a reason other than a wall.

    \b
    Examples:
      flask tenants prove acme --attackers 10
      flask tenants prove --out proof.json
      flask tenants prove --verify proof.json
    """  # noqa: D301
    if signed is not None:
        _verify(signed, as_json=as_json)
        return
    if out is not None and not out.absolute().parent.is_dir():
        raise click.BadParameter(f"The folder {out.parent} does not exist.", param_hint="--out")
    require_catalog()
    # With the wrong password, each login as another tenant would fail and prove nothing.
    refuse_while_changing()
    seed = secrets.randbits(32) if seed is None else seed
    pairings = choose_pairings(slugs, attackers, seed)
    if dry_run:
        _print_pairings(pairings, seed, as_json=as_json)
    else:
        _prove(pairings, seed, out, as_json=as_json)


def _prove(pairings: Sequence[Pairing], seed: int, out: Path | None, *, as_json: bool) -> None:
    with progress_bar(prove(pairings), "Proving", len(pairings)) as attacked:
        attempts = list(chain.from_iterable(attacked))
    report = to_report(pairings, attempts, seed, app_state().version)
    document = sign(report, current_keys().in_use)
    if out is not None:
        out.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        print_json(document)
    else:
        _print_attempts(pairings, attempts, seed)
    failed = [each for each in attempts if each.outcome in (Outcome.BREACHED, Outcome.INCONCLUSIVE)]
    for attempt in failed:
        click.echo(_sentence(attempt), err=True)
    if failed:
        raise click.exceptions.Exit(1)


def _verify(signed: Path, *, as_json: bool) -> None:
    report = verify(signed.read_bytes(), *current_keys().accepted)
    counts = report["counts"]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    sentence = f"The signature of the report of {report['proved_at']} is valid: {outcomes}."
    item = {"is_genuine": True, "proved_at": report["proved_at"], "counts": counts}
    print_item(item, sentence, as_json=as_json)


def _print_pairings(pairings: Sequence[Pairing], seed: int, *, as_json: bool) -> None:
    items = [
        {
            "tenant": pairing.target.slug,
            "tier": pairing.target.tier.tier,
            "attackers": [attacker.slug for attacker in pairing.attackers],
        }
        for pairing in pairings
    ]
    if as_json:
        print_json({"seed": seed, "pairings": items})
        return
    rows = [{**item, "attackers": ", ".join(item["attackers"])} for item in items]
    print_items(rows, ("tenant", "tier", "attackers"), as_json=False)
    click.echo(f"Seed {seed}. No tenant was attacked.")


def _print_attempts(pairings: Sequence[Pairing], attempts: Sequence[Attempt], seed: int) -> None:
    """Print the number of each outcome by path, for all tenants together."""
    counts = Counter((attempt.path, attempt.outcome) for attempt in attempts)
    paths = list(dict.fromkeys(attempt.path for attempt in attempts))
    walls = {path: set[str]() for path in paths}
    for attempt in attempts:
        if attempt.outcome is Outcome.HELD:
            walls[attempt.path].add(attempt.wall)
    items: list[dict[str, Any]] = [
        {
            "path": path,
            **{outcome: counts[path, outcome] or "" for outcome in COLUMNS},
            "walls": ", ".join(sorted(walls[path])),
        }
        for path in paths
    ]
    print_items(items, ("path", *COLUMNS, "walls"), as_json=False)
    attackers = sum(len(pairing.attackers) for pairing in pairings)
    click.echo(
        f"{len(pairings)} tenants, {attackers} attackers, {len(attempts)} attempts, seed {seed}."
    )


def _sentence(attempt: Attempt) -> str:
    attacker = f" as {attempt.attacker}" if attempt.attacker else ""
    return (
        f"{attempt.tenant}: {attempt.path}{attacker}: {attempt.outcome}, {attempt.wall}."
        f" {attempt.remedy}"
    )
