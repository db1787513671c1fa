"""Move a tenant in a process of its own that stops at a step until its parent lets it go on.

Run as a program with a slug, a tier, a server, a step of decision 0048, and the longest pause in
seconds. It prints the step when it begins for the first time, and waits for a line on its standard
input.
"""

import logging
import sys

from trially import create_app
from trially.config import read_settings
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed

KEEP_SECONDS, GIVE_UP_SECONDS = 0, 60


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
    slug, tier, server, step, max_pause = sys.argv[1:]
    options = MoveOptions(float(max_pause), KEEP_SECONDS, GIVE_UP_SECONDS)
    logging.disable(logging.WARNING)
    stop_at(step)
    with create_app(read_settings()).app_context():
        move_tenant(slug, Tier(tier), server, options)


if __name__ == "__main__":
    main()
