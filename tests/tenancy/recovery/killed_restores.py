"""Restore tenants to a time in processes that kill themselves, one for each step.

Run as a program with Barman's command, a slug, a time, a new slug and a moment per line of input.
"""

import datetime as dt
import os
import signal
import sys
from dataclasses import replace
from typing import Any

from trially import create_app
from trially.config import read_settings
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.tenancy.recovery.clusters import RecoveredCluster
from trially.tenancy.recovery.restoring import RestoreAtOptions, restore_at


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(moment: str) -> None:
    def look(progress: MoveProgress) -> None:
        if moment in (progress.phase, progress.table):
            die()

    progressed.connect(look, weak=False)
    if moment in ("configure", "remove"):
        setattr(RecoveredCluster, moment, die)


def main() -> None:
    for line in sys.stdin.read().splitlines():
        barman, slug, at, new_slug, moment = line.split("|")
        child = os.fork()
        if child == 0:
            app = create_app(replace(read_settings(), barman=barman))
            with app.app_context():
                die_at(moment)
                restore_at(slug, dt.datetime.fromisoformat(at), new_slug, RestoreAtOptions())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{moment} did not kill its process.")


if __name__ == "__main__":
    main()
