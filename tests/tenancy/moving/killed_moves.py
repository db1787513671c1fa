"""Move tenants in processes that kill themselves, one for each moment of a move.

Run as a program with a slug, a tier and a step of decision 0048 per line of input; it prints
nothing. The process dies when the step begins.
"""

import os
import signal
import sys

from trially import create_app
from trially.config import read_settings
from trially.tenancy.catalog import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed


def die_at(step: str) -> None:
    def die(progress: MoveProgress) -> None:
        if progress.phase == step:
            os.kill(os.getpid(), signal.SIGKILL)

    progressed.connect(die, weak=False)


def main() -> None:
    for line in sys.stdin.read().splitlines():
        slug, tier, step = line.split()
        child = os.fork()
        if child == 0:
            die_at(step)
            with create_app(read_settings()).app_context():
                move_tenant(slug, Tier(tier), None, MoveOptions(max_pause=5))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{step} did not kill its process.")


if __name__ == "__main__":
    main()
