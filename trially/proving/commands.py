"""`flask tenants prove`."""

import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from trially.keys import current_keys
from trially.proving.attempts import Attempt, Outcome
from trially.proving.reports import State, sign, states_of, to_report, verify
from trially.proving.running import Plan, attempts_before, make_plan, prove
from trially.proving.sweeps.results import PREFIX
from trially.state import app_state
from trially.tenancy.lifecycle.completing import complete_slug
from trially.tenancy.lifecycle.key_use import refuse_while_changing
from trially.tenancy.schema.catalog_revision import require_catalog
from trially.terminal import (
    NOTHING,
    command,
    json_option,
    plural,
    print_item,
    print_items,
    print_json,
    progress_bar,
)

DEFAULT_ATTACKERS = 3
DEFAULT_TIME_LIMIT_MINUTES = 120
COLUMNS = (
    Outcome.HELD,
    Outcome.LIMIT,
    Outcome.NOT_APPLICABLE,
    Outcome.INCONCLUSIVE,
    Outcome.BREACHED,
)


@command("prove", loses=NOTHING)
@click.argument("slugs", nargs=-1, metavar="[SLUG]…", shell_complete=complete_slug)
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
@click.option(
    "--time-limit",
    type=click.IntRange(min=1),
    default=DEFAULT_TIME_LIMIT_MINUTES,
    show_default=True,
    metavar="MINUTES",
    help="Stop after this time. Tenants that were not attacked yet are not proven.",
)
@click.option("--dry-run", is_flag=True, help="List the attackers of each tenant, and stop.")
@click.option(
    "--verify",
    "signed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Verify the signature of this report, and stop.",
)
@json_option
def prove_tenants(
    slugs: tuple[str, ...],
    signed: Path | None,
    *,
    attackers: int,
    seed: int | None,
    dry_run: bool,
    as_json: bool,
    out: Path | None,
    time_limit: int,
) -> None:
    """Verify that tenants cannot reach each other's rows.

    Attacks each SLUG, or every tenant: in every table as all tenants of its database, and on every
    path as a few other tenants. Exits with 1 unless every tenant's walls held.

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
    plan = make_plan(slugs, attackers, seed)
    if dry_run:
        _print_plan(plan, as_json=as_json)
    else:
        _prove(plan, out, time_limit, as_json=as_json)


def _prove(plan: Plan, out: Path | None, time_limit: int, *, as_json: bool) -> None:
    attempts = attempts_before(plan)
    with progress_bar(prove(plan, time_limit * 60), "Proving", plan.steps) as attacked:
        for more in attacked:
            attempts += more
    attempts = [attempt for _, sweep in plan.sweeps for attempt in sweep.attempts] + attempts
    report = to_report(plan, attempts, app_state().version)
    document = sign(report, current_keys().in_use)
    if out is not None:
        out.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        print_json(document)
    else:
        _print_attempts(plan, attempts)
    states = states_of(plan, attempts)
    for attempt in attempts:
        if attempt.outcome in (Outcome.BREACHED, Outcome.INCONCLUSIVE):
            click.echo(_sentence(attempt), err=True)
    for each in states:
        if each.state is not State.HELD:
            click.echo(f"{each.slug}: {each.state}.", err=True)
    if any(each.state is not State.HELD for each in states):
        raise click.exceptions.Exit(1)


def _verify(signed: Path, *, as_json: bool) -> None:
    report = verify(signed.read_bytes(), *current_keys().accepted)
    counts = report["counts"]
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    sentence = f"The signature of the report of {report['proved_at']} is valid: {outcomes}."
    item = {"is_genuine": True, "proved_at": report["proved_at"], "counts": counts}
    print_item(item, sentence, as_json=as_json)


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    items = [
        {
            "tenant": pairing.target.slug,
            "tier": pairing.target.tier.tier,
            "attackers": [attacker.slug for attacker in pairing.attackers],
        }
        for pairing in plan.pairings
    ]
    if as_json:
        unprovable = [{"tenant": slug, "reason": reason} for slug, reason in plan.unprovable]
        print_json({"seed": plan.seed, "pairings": items, "unprovable": unprovable})
        return
    rows = [{**item, "attackers": ", ".join(item["attackers"])} for item in items]
    print_items(rows, ("tenant", "tier", "attackers"), as_json=False, optional=("tier",))
    for slug, reason in plan.unprovable:
        click.echo(f"{slug} cannot be proven: {reason}.")
    click.echo(f"Seed {plan.seed}. No tenant was attacked.")


def _print_attempts(plan: Plan, attempts: Sequence[Attempt]) -> None:
    """Print the number of each outcome by path, for all tenants together."""
    single = [attempt for attempt in attempts if not attempt.path.startswith(PREFIX)]
    counts = Counter((attempt.path, attempt.outcome) for attempt in single)
    walls: dict[str, set[str]] = {attempt.path: set() for attempt in single}
    for attempt in single:
        if attempt.outcome is Outcome.HELD:
            walls[attempt.path].add(attempt.wall)
    for _, sweep in plan.sweeps:
        for (path, wall), count in sweep.held.items():
            counts[path, Outcome.HELD] += count
            walls.setdefault(path, set()).add(wall)
        for (path, outcome), count in sweep.failed.items():
            counts[path, outcome] += count
            walls.setdefault(path, set())
    items: list[dict[str, Any]] = [
        {
            "path": path,
            **{outcome: counts[path, outcome] or "" for outcome in COLUMNS},
            "walls": ", ".join(sorted(walls[path])),
        }
        for path in walls
    ]
    print_items(items, ("path", *COLUMNS, "walls"), as_json=False, texts=("walls",))
    tables = {table for _, sweep in plan.sweeps for table in sweep.tables}
    pairs = sum(sweep.pairs for _, sweep in plan.sweeps)
    click.echo(
        f"{plural(len(plan.sweeps), 'database')}, {plural(len(tables), 'table')},"
        f" {plural(pairs, 'pair')} of tenants."
    )
    states = Counter(each.state for each in states_of(plan, attempts))
    click.echo(", ".join(f"{states[state]} {state}" for state in State) + ".")
    attackers = sum(len(pairing.attackers) for pairing in plan.pairings)
    click.echo(
        f"{len(plan.slugs)} tenants, {attackers} attackers, {len(attempts)} attempts,"
        f" seed {plan.seed}."
    )


def _sentence(attempt: Attempt) -> str:
    attacker = f" as {attempt.attacker}" if attempt.attacker else ""
    return (
        f"{attempt.tenant}: {attempt.path}{attacker}: {attempt.outcome}, {attempt.wall}."
        f" {attempt.remedy}"
    )
