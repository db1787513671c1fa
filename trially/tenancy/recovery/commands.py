"""`flask servers backup`, `backups` and `status`."""

from pathlib import Path
from typing import Any

import click

from trially.config.private_files import replace_file
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.lifecycle.completing import complete_server
from trially.tenancy.recovery.intervals import Interval, interval_of
from trially.tenancy.recovery.metrics import metrics_of
from trially.tenancy.recovery.tools import tool_of
from trially.tenancy.recovery.wal_streams import take_base_backup
from trially.tenancy.servers.access import access_to
from trially.tenancy.servers.registering import all_servers, get_server
from trially.terminal import (
    NOTHING,
    json_option,
    print_item,
    print_items,
    table_options,
)
from trially.terminal.durations import describe_seconds


@catalog_command("backup", loses=NOTHING)
@click.argument("name", shell_complete=complete_server)
@json_option
def backup(name: str, *, as_json: bool) -> None:
    """Take a base backup of the server NAME with its tool, on this host.

    Tenants of the server can be restored to any time after the oldest base backup.
    """
    server = get_server(name)
    taken = take_base_backup(access_to(server), tool_of(server))
    item = {"id": taken.id, "usable_from": taken.usable_from, "bytes": taken.bytes}
    sentence = (
        f"Took the base backup {taken.id} of {name} ({taken.bytes / 1e6:,.0f} MB). With it, tenants"
        f" can be restored to times from {taken.usable_from:%Y-%m-%d %H:%M:%S}Z on."
    )
    print_item(item, sentence, as_json=as_json)


@catalog_command("backups", loses=NOTHING, only_reads=True, needs_routes=False)
@click.argument("name", shell_complete=complete_server)
@table_options
def backups(name: str, *, as_json: bool) -> None:
    """List the base backups of the server NAME, oldest first."""
    items = [
        {"id": each.id, "usable_from": each.usable_from, "bytes": each.bytes}
        for each in tool_of(get_server(name)).base_backups()
    ]
    print_items(items, ("id", "usable_from", "bytes"), as_json=as_json)


@catalog_command("status", loses=NOTHING, only_reads=True, needs_routes=False)
@click.option(
    "--textfile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write metrics to this file, for the textfile collector of Prometheus.",
)
@table_options
def status(*, textfile: Path | None, as_json: bool) -> None:
    """Show to which times the tenants of each server can be restored, and what is wrong.

    `lost_at_most` is how much of the last changes would be lost with the server now. Without
    archived WAL, that is the age of the oldest of the tenants' newest archives. Run it on the host
    of the backup tool.

    \b
    Example:
      flask servers status --textfile /var/lib/node_exporter/trially.prom
    """  # noqa: D301
    intervals = [interval_of(server) for server in all_servers()]
    if textfile is not None:
        replace_file(textfile, metrics_of(intervals))
        textfile.chmod(0o644)
    print_items(
        [_describe(each, as_text=not as_json) for each in intervals],
        (
            *("server", "tool", "oldest", "newest", "lost_at_most", "base_backups", "streaming"),
            "retained_mib",
        ),
        as_json=as_json,
        optional=("tool", "oldest", "newest", "streaming", "retained_mib"),
    )
    if not as_json:
        for each in intervals:
            for problem in each.problems:
                click.echo(f"{each.server}: {problem}")


def _describe(interval: Interval, *, as_text: bool) -> dict[str, Any]:
    stream, lost = interval.stream, interval.lost_at_most
    seconds = None if lost is None else round(lost.total_seconds())
    if not as_text:
        lost_at_most: object = seconds
    else:
        lost_at_most = "all" if seconds is None else describe_seconds(seconds)
    retained = None if stream is None else stream.retained_bytes
    return {
        "server": interval.server,
        "tool": interval.tool,
        "oldest": interval.oldest,
        "newest": interval.newest,
        "lost_at_most": lost_at_most,
        "base_backups": len(interval.base_backups),
        "streaming": None if stream is None else stream.is_streaming,
        "retained_mib": None if retained is None else retained // 2**20,
        "problems": list(interval.problems),
    }
