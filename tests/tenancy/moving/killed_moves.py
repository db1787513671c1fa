"""Move tenants in processes that kill themselves, one for each moment of a move.

Run as a program with a slug, a tier and a step of decision 0048 per line of input; it prints
nothing. The process dies when the step begins.
"""

from killed_children import die, kill_children

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed


def die_at(step: str) -> None:
    def look(progress: MoveProgress) -> None:
        if progress.phase == step:
            die()

    progressed.connect(look, weak=False)


def run(slug: str, tier: str, step: str) -> None:
    die_at(step)
    move_tenant(slug, Tier(tier), None, MoveOptions(max_pause=5))


if __name__ == "__main__":
    kill_children(lambda _, line: run(*line.split()))
