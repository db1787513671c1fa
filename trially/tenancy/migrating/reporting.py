"""What a run prints: a line of progress while it works, and a table at its end."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from trially.tenancy.migrating.attempts import Attempted
from trially.tenancy.migrating.ledger import state_of
from trially.tenancy.migrating.migration_failures import (
    FleetMigrationError,
    RunStoppedError,
)
from trially.tenancy.migrating.progress import Progress
from trially.tenancy.migrating.rehearsing import Rehearsal
from trially.tenancy.migration_runs import PlaceState, RunState
from trially.terminal import plural, print_items, print_json

LINE_SECONDS = 5.0
"""How often a line of progress is printed where lines cannot be overwritten."""

COLUMNS = ("place", "server", "database", "schema", "from", "at", "attempts", "ms", "error")
TEXTS = ("place", "error")

NEXT_STEP = (
    "Correct the causes and run `flask tenants migrate --resume`. `flask tenants status` lists"
    " these tenants; `flask --debug db upgrade` shows tracebacks."
)


class ProgressLine:
    """Prints the progress of a run on standard error: one line that changes, or now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (0 if self._is_terminal else LINE_SECONDS)
        self._has_open_line = False

    def __call__(self, progress: Progress) -> None:
        """Print the progress, if it is time to."""
        now, is_end = time.monotonic(), progress.state is not RunState.INTERRUPTED
        if not self._is_terminal:
            if now >= self._next and not is_end:
                self._next = now + LINE_SECONDS
                click.echo(describe_progress(progress), err=True)
            return
        if self._has_open_line or not is_end:
            click.echo(f"\r\033[K{describe_progress(progress)}", err=True, nl=is_end)
            self._has_open_line = not is_end

    def wait(self) -> None:
        """Say that another process migrates."""
        click.echo("Waiting: another process migrates tenants at the moment.", err=True)


def describe_progress(progress: Progress) -> str:
    """Return one line: how many places are done and failed, the rate, and the time left."""
    done, seconds = len(progress.ended), progress.seconds
    rate = done / seconds if seconds > 0 else 0.0
    left = (progress.total - done) / rate if rate else None
    return ", ".join(
        (
            f"{progress.stage}: {done} of {progress.total} done",
            f"{len(progress.failed)} failed",
            f"{rate:.1f}/s",
            "time left unknown" if left is None else f"{left:.0f} s left",
        )
    )


def print_outcome(progress: Progress, *, as_json: bool) -> None:
    """Print the end of a run: a table of the failures and a sentence, or JSON."""
    failures = [_row(each) for each in (*progress.failed, *progress.skipped)]
    if as_json:
        print_json(
            {
                "state": progress.state,
                "seconds": round(progress.seconds, 1),
                "at_target": progress.at_target,
                "migrated": len(progress.migrated),
                "not_visited": progress.total - len(progress.ended),
                "failed": [row for row in failures if row["state"] != PlaceState.SKIPPED],
                "skipped": [row for row in failures if row["state"] == PlaceState.SKIPPED],
            }
        )
        return
    if failures:
        print_items(failures, COLUMNS, as_json=False, texts=TEXTS, optional=OPTIONAL)
        click.echo()
    click.echo(describe_outcome(progress))


OPTIONAL = ("schema", "database", "server", "ms", "attempts", "from")


def print_rehearsal(rehearsal: Rehearsal, *, as_json: bool) -> None:
    """Print a rehearsal: its clones, and the estimate. Exits with 1 if a clone failed."""
    items = [each.as_item() for each in rehearsal.rehearsed]
    if as_json:
        print_json(
            {
                "clones": items,
                "placements": rehearsal.places,
                "estimate_s": round(rehearsal.estimate_s, 1),
            }
        )
    elif items:
        print_items(items, tuple(items[0]), as_json=False, texts=("place", "error"))
        click.echo()
    if not as_json:
        click.echo(
            f"{plural(rehearsal.places, 'placement')} to migrate; the run would take about"
            f" {rehearsal.estimate_s:.0f} s. No tenant was changed."
        )
    if any(each.failure for each in rehearsal.rehearsed):
        raise click.exceptions.Exit(1)


def raise_if_unfinished(progress: Progress) -> None:
    """Raise an error unless every place is at the target. It names each failure, by its cause.

    It is `FleetMigrationError` if all places were visited, else `RunStoppedError`.
    """
    if progress.state is RunState.DONE:
        return
    places = plural(progress.total + progress.at_target, "placement")
    lines = [f"The command failed for {len(progress.failed)} of {places}."]
    for cause, failed in _by_cause(progress.failed).items():
        lines += [cause, *(f"  - {each.place}" for each in failed)]
    lines += [each.failure.reason for each in progress.skipped if each.failure]
    not_visited = progress.total - len(progress.ended)
    if not_visited:
        lines.append(f"The run stopped there: {plural(not_visited, 'placement')} not visited.")
    lines.append(NEXT_STEP)
    errors = [each.error for each in progress.failed if isinstance(each.error, Exception)]
    group = ExceptionGroup("the placements failed", errors) if errors else None
    is_stopped = progress.state is not RunState.FAILED
    kind = RunStoppedError if is_stopped else FleetMigrationError
    raise kind("\n".join(lines)) from group


def _by_cause(failed: Sequence[Attempted]) -> dict[str, list[Attempted]]:
    causes: dict[str, list[Attempted]] = {}
    for each in failed:
        causes.setdefault(each.failure.reason if each.failure else "", []).append(each)
    return causes


def describe_outcome(progress: Progress) -> str:
    """Return what became of the places, and the next step if any is left."""
    parts = [
        f"{plural(len(progress.migrated), 'placement')} migrated",
        f"{progress.at_target} at the target already",
        f"{len(progress.failed)} failed",
    ]
    if progress.skipped:
        parts.append(f"{len(progress.skipped)} skipped")
    if not_visited := progress.total - len(progress.ended):
        parts.append(f"{not_visited} not visited")
    sentence = f"{', '.join(parts)}, in {progress.seconds:.1f} s."
    return sentence if progress.state is RunState.DONE else f"{sentence}\n{NEXT_STEP}"


def _row(attempted: Attempted) -> dict[str, Any]:
    place, failure = attempted.place, attempted.failure
    return {
        "place": place.name,
        "tenants": len(place.records),
        "server": place.server,
        "database": place.database,
        "schema": place.schema,
        "state": state_of(attempted),
        "from": attempted.former,
        "at": attempted.revision,
        "attempts": attempted.attempts,
        "ms": attempted.ms,
        "error": failure and failure.reason,
        "sqlstate": failure and failure.sqlstate,
        "statement": failure and failure.statement,
    }
