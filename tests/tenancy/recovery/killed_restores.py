"""Restore tenants to a time in processes that kill themselves, one for each step.

Run as a program with Barman's command, a slug, a time, a new slug and a moment per line of input.
"""

import datetime as dt
from dataclasses import replace

from flask import Flask
from killed_children import die, kill_children

from trially.state import state_of
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.tenancy.recovery.clusters import RecoveredCluster
from trially.tenancy.recovery.restoring import RestoreAtOptions, restore_at


def die_at(moment: str) -> None:
    def look(progress: MoveProgress) -> None:
        if moment in (progress.phase, progress.table):
            die()

    def die_if_laid(cluster: RecoveredCluster) -> None:
        if cluster.is_laid:
            die()

    progressed.connect(look, weak=False)
    if moment == "configure":
        RecoveredCluster.configure = die  # type: ignore[method-assign]
    if moment == "remove":
        RecoveredCluster.remove = die_if_laid  # type: ignore[method-assign]


def run(app: Flask, line: str) -> None:
    barman, slug, at, new_slug, moment = line.split("|")
    state = state_of(app)
    state.settings = replace(state.settings, barman=barman)
    die_at(moment)
    restore_at(slug, dt.datetime.fromisoformat(at), new_slug, RestoreAtOptions())


if __name__ == "__main__":
    kill_children(run)
