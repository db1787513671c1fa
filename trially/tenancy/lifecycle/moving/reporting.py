"""What a move prints: a line of progress for each step, and its result."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

import click

from trially.tenancy.catalog import Operation
from trially.tenancy.lifecycle.moving.estimating import Estimate, TableSize
from trially.tenancy.lifecycle.moving.moves import Check
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.terminal import plural, print_item, print_json

LINE_SECONDS = 0.5
"""How often the line changes at a terminal; elsewhere, a line is printed ten times as rarely."""

SHOWN_TABLES = 5

_PAUSE = frozenset({"lock", "drain", "compare", "fence", "open", "switch", "unlock"})
"""The steps that take milliseconds. Printing them would make the pause longer."""


class MoveLine:
    """Prints the progress of a move on standard error, for the block."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._seconds = LINE_SECONDS if self._is_terminal else 10 * LINE_SECONDS
        self._next = 0.0
        self._phase = ""

    def __enter__(self) -> Self:
        """Listen to the moves of this process."""
        progressed.connect(self._show)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        progressed.disconnect(self._show)

    def end(self) -> None:
        """Close the line."""
        if self._is_terminal and self._phase:
            click.echo(err=True)

    def _show(self, progress: MoveProgress) -> None:
        now = time.monotonic()
        if progress.phase in _PAUSE or (progress.phase == self._phase and now < self._next):
            return
        self._phase, self._next = progress.phase, now + self._seconds
        line = describe_progress(progress)
        if self._is_terminal:
            click.echo(f"\r\033[K{line}", err=True, nl=False)
        else:
            click.echo(line, err=True)


def describe_progress(progress: MoveProgress) -> str:
    """Return one line: the step, what was copied, the rate, and the time left if it is known."""
    if progress.phase == "copy":
        rate = progress.bytes / max(progress.seconds, 0.001)
        parts = [
            f"copy: {progress.table or 'begins'}",
            f"{progress.rows:,} rows, {progress.bytes / 1e6:,.1f} MB",
            f"{rate / 1e6:.1f} MB/s",
        ]
        if (left := progress.seconds_left) is not None:
            parts.append(f"{left:.0f} s left")
        return ", ".join(parts)
    if progress.phase == "recover":
        return "recover: a copy of the server is brought to the time"
    waiting = f", {progress.waited_for}" if progress.waited_for else ""
    return f"{progress.phase}: {plural(progress.applied_rows, 'changed row')}{waiting}"


def describe_move(operation: Operation) -> dict[str, Any]:
    """Return what a move did. `pause_ms` is how long requests waited, in milliseconds."""
    values = operation.parameters
    return {
        "operation": str(operation.id),
        "slug": operation.tenant_slug,
        "from": values["from"],
        "to": values["to"],
        "state": operation.state,
        "kept_for_seconds": values["keep_seconds"],
        **values.get("result", {}),
    }


def print_move(operation: Operation, *, as_json: bool) -> None:
    """Print the result of a move."""
    item = describe_move(operation)
    if "pause_ms" not in item:
        sentence = f"Moved {item['slug']} from {item['from']} to {item['to']}."
    else:
        sentence = (
            f"Moved {item['slug']} from {item['from']} to {item['to']} in"
            f" {item['seconds']:.1f} s. Requests waited {item['pause_ms']:.0f} ms.\n"
            f"Copied {plural(item['rows'], 'row')} ({item['bytes'] / 1e6:,.1f} MB) and"
            f" {plural(item['applied_rows'], 'row')} that changed meanwhile. All rows were"
            " compared, and are equal."
        )
    hours = item["kept_for_seconds"] / 3600
    sentence += (
        f"\nThe former placement is kept for {hours:g} h."
        f" `flask tenants move-back {item['slug']}` returns to it, and loses nothing."
    )
    print_item(item, sentence, as_json=as_json)


def print_check(check: Check, *, as_json: bool) -> None:
    """Print what a move would take. The blockers are printed by their error."""
    item = _describe_check(check)
    if as_json:
        print_json(item)
        return
    lines = [f"{item['slug']} would move from {item['from']} to {item['to']}."]
    if check.estimated is not None:
        estimated = check.estimated
        lines += [
            (
                f"It has {plural(estimated.rows, 'row')} ({estimated.bytes / 1e6:,.1f} MB)."
                f" The copy would take some {estimated.copy_seconds:,.0f} s, and the pause some"
                f" {estimated.pause_seconds * 1000:.0f} ms."
            ),
            *(f"  {each.name}: {plural(each.rows, 'row')}" for each in _largest(estimated)),
            *_retained(check),
            *check.unchecked,
        ]
    if not check.blockers:
        lines.append("Nothing stands against it. Nothing was changed.")
    click.echo("\n".join(lines))


def _retained(check: Check) -> Iterator[str]:
    if check.retained_bytes:
        yield (
            f"The server would retain some {check.retained_bytes / 1e6:,.1f} MB of WAL until the"
            " switch, because the copy is written on the same server."
        )


def _largest(estimated: Estimate) -> Sequence[TableSize]:
    return sorted(estimated.tables, key=lambda table: table.bytes, reverse=True)[:SHOWN_TABLES]


def _describe_check(check: Check) -> dict[str, Any]:
    source, estimated = check.tenant.placement, check.estimated
    item: dict[str, Any] = {
        "slug": check.tenant.slug,
        "from": f"{source.tier} on {source.server.name}",
        "to": f"{check.tier} on {check.server.name}",
        "blockers": [vars(blocker) for blocker in check.blockers],
        "unchecked": check.unchecked,
    }
    if estimated is not None:
        item |= {
            "rows": estimated.rows,
            "bytes": estimated.bytes,
            "copy_seconds": round(estimated.copy_seconds, 1),
            "pause_ms": round(estimated.pause_seconds * 1000, 1),
            "retained_wal_bytes": check.retained_bytes,
            "tables": [vars(each) for each in estimated.tables],
        }
    return item
