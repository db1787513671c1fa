"""Move a tenant in a process of its own that stops at a step until its parent lets it go on.

Run as a program with a slug, a tier, a server and a step of decision 0048. It prints the step when
it begins for the first time, and waits for a line on its standard input.
"""

import logging
import sys

from trially import create_app
from trially.config import read_settings
from trially.tenancy.catalog import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed

OPTIONS = MoveOptions(max_pause=5, keep_seconds=0, give_up_seconds=60)


def stop_at(step: str) -> None:
    """Wait for the parent when a step begins for the first time."""
    begun = set()

    def wait(progress: MoveProgress) -> None:
        if progress.phase == step and step not in begun:
            begun.add(step)
            print(step, flush=True)
            sys.stdin.readline()

    progressed.connect(wait, weak=False)


def main() -> None:
    slug, tier, server, step = sys.argv[1:]
    logging.disable(logging.WARNING)
    stop_at(step)
    with create_app(read_settings()).app_context():
        move_tenant(slug, Tier(tier), server, OPTIONS)


if __name__ == "__main__":
    main()
