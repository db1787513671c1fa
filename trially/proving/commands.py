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

from trially.config import current_settings
from trially.proving.attempts import Attempt, Outcome
from trially.proving.reports import sign, to_report, verify
from trially.proving.running import Pairing, choose_pairings, prove
from trially.state import app_state
from trially.tenancy.schema.installing import require_catalog
from trially.terminal import (
    Command,
    json_option,
    print_item,
    print_items,
    print_json,
    progress_bar,
)

ATTACKERS = 3
SHOWN = (Outcome.HELD, Outcome.LIMIT, Outcome.NOT_APPLICABLE, Outcome.UNPROVED, Outcome.THROUGH)


@click.command("prove", cls=Command)
@click.argument("slugs", nargs=-1, metavar="[SLUG]…")
@click.option(
    "--attackers",
    type=click.IntRange(min=1),
    default=ATTACKERS,
    show_default=True,
    help="As how many others each tenant is attacked; half of them its neighbours.",
)
@click.option("--seed", type=int, help="Choose them as the run did that told this seed.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the signed report here."
)
@click.option("--dry-run", is_flag=True, help="Say who would attack whom, and touch nothing.")
@click.option(
    "--verify",
    "signed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Attack nobody: check the signature of this report.",
)
@json_option
@with_appcontext
def prove_tenants(
    slugs: tuple[str, ...],
    attackers: int,
    seed: int | None,
    out: Path | None,
    signed: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Attack each SLUG, or every tenant, as others of the fleet, and tell which wall held.

    Exits with 1 if anything got through, or could not be tried.
    """
    if signed is not None:
        _verify(signed, as_json=as_json)
        return
    if out is not None and not out.absolute().parent.is_dir():
        raise click.BadParameter(f"There is no folder {out.parent}.", param_hint="--out")
    require_catalog()
    seed = secrets.randbits(32) if seed is None else seed
    pairings = choose_pairings(slugs, attackers, seed)
    if dry_run:
        _print_pairings(pairings, seed, as_json=as_json)
        return
    with progress_bar(prove(pairings), "Proving", len(pairings)) as attacked:
        attempts = list(chain.from_iterable(attacked))
    report = sign(
        to_report(pairings, attempts, seed, app_state().version),
        current_settings().secret_key,
    )
    if out is not None:
        out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        print_json(report)
    else:
        _print_attempts(pairings, attempts, seed)
    failed = [each for each in attempts if each.outcome in (Outcome.THROUGH, Outcome.UNPROVED)]
    if failed:
        for attempt in failed:
            click.echo(_sentence(attempt), err=True)
        raise click.exceptions.Exit(1)


def _verify(signed: Path, *, as_json: bool) -> None:
    report = verify(signed.read_bytes(), current_settings().secret_key)
    counts = report["counts"]
    sentence = (
        f"The report of {report['proved_at']} is as this installation signed it: "
        f"{counts[Outcome.HELD]} held, {counts[Outcome.LIMIT]} documented limits, "
        f"{counts[Outcome.THROUGH]} through, {counts[Outcome.UNPROVED]} unproved."
    )
    item = {"is_genuine": True, "proved_at": report["proved_at"], "counts": counts}
    print_item(item, sentence, as_json=as_json)


def _print_pairings(pairings: Sequence[Pairing], seed: int, *, as_json: bool) -> None:
    items = [
        {
            "tenant": pairing.target.slug,
            "tier": pairing.target.tier,
            "attackers": [attacker.slug for attacker in pairing.attackers],
        }
        for pairing in pairings
    ]
    if as_json:
        print_json({"seed": seed, "pairings": items})
        return
    lines = [{**item, "attackers": ", ".join(item["attackers"])} for item in items]
    print_items(lines, ("tenant", "tier", "attackers"), as_json=False)
    click.echo(f"Seed {seed}. Nothing has been touched.")


def _print_attempts(pairings: Sequence[Pairing], attempts: Sequence[Attempt], seed: int) -> None:
    """Print what came of each path, all tenants together."""
    counts = Counter((attempt.path, attempt.outcome) for attempt in attempts)
    paths = list(dict.fromkeys(attempt.path for attempt in attempts))
    walls = {path: set[str]() for path in paths}
    for attempt in attempts:
        if attempt.outcome is Outcome.HELD:
            walls[attempt.path].add(attempt.wall)
    items: list[dict[str, Any]] = [
        {
            "path": path,
            **{outcome: counts[path, outcome] or "" for outcome in SHOWN},
            "walls": ", ".join(sorted(walls[path])),
        }
        for path in paths
    ]
    print_items(items, ("path", *SHOWN, "walls"), as_json=False)
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
