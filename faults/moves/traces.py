"""What a move has left: sides, and things on the servers that should be gone."""

import time

from faults.moves.sides import inventory, names_of
from faults.moves.stage import Moved

SETTLE_SECONDS = 30.0
POLL_SECONDS = 0.2


def look_for_traces(moved: Moved, before: frozenset[str]) -> tuple[str, list[str]]:
    """Return the side that serves the tenant, and a sentence about each thing that is left."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while len(moved.placements()) > 1 and time.monotonic() < deadline:
        moved.installation.run_command("tenants", "settle-moves")
        time.sleep(POLL_SECONDS)
    active, *others = moved.placements()
    complaints = [f"the placement in {each.database} is left" for each in others]
    if [each.id for each in moved.writable()] != [active.id]:
        complaints.append("the active side is not the writable one")
    after = inventory(moved.installation)
    ours = names_of(active)
    left = [thing for thing in after - before if not ours & set(thing.split())]
    complaints += [f"{thing} is left" for thing in sorted(left)]
    if active.id != moved.source.id:
        gone = names_of(moved.source) - ours - _shared(moved)
        kept = [thing for thing in after if gone & set(thing.split())]
        complaints += [f"{thing} of the source is left" for thing in sorted(kept)]
    return ("source" if active.id == moved.source.id else "target"), complaints


def _shared(moved: Moved) -> frozenset[str]:
    """Return the names that other tenants use, too."""
    shared = {"tenant", "public", "trially"}
    for each in moved.installation.tenants:
        shared |= {each.database, each.schema, each.role}
    return frozenset(shared)
