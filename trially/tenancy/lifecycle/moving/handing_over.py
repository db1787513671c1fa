"""The pause of a move: `lock`, `drain`, `compare`, `fence`, `open`, `switch` and `unlock`.

`docs/decisions/0048` has the protocol, and `tests/tenancy/moving/` its model. Requests wait in the
guard from `lock` to `unlock`, and are then refused as stale; they try again at the target.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection
from sqlalchemy.orm import Session

from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.moving.catching_up import ALWAYS_IN_PAUSE, Follower
from trially.tenancy.lifecycle.moving.errors import BusyTenantError, DifferentTablesError
from trially.tenancy.lifecycle.moving.guards import fence
from trially.tenancy.lifecycle.moving.moments import holding_batches, wait_for_moment
from trially.tenancy.lifecycle.moving.numbering import continue_numbers
from trially.tenancy.lifecycle.moving.plan import MovePlan
from trially.tenancy.lifecycle.moving.progress import MoveProgress
from trially.tenancy.lifecycle.moving.rehearsing import measure_switch
from trially.tenancy.lifecycle.moving.sides import SideSession
from trially.tenancy.lifecycle.moving.source_locks import locked
from trially.tenancy.lifecycle.moving.switching import Switch, commit_softly, lock_tenant
from trially.tenancy.lifecycle.moving.tables import MovedTable
from trially.tenancy.schema.revisions import read_revision

SHARE_OF_PAUSE = 3
"""A switch is tried when a drain takes a third of the longest pause at most."""

CATCH_UP_SECONDS = 8.0
"""How long batches are held back so that the target catches up with the last one."""


@dataclass
class HandOver:
    """What the pause needs. All connections are open before it begins."""

    plan: MovePlan
    follower: Follower
    target: SideSession
    tables: Sequence[MovedTable]
    progress: MoveProgress

    def attempt(self) -> None:
        """Hand the tenant over, with a pause of the plan's length at most.

        Raises `BusyTenantError` if it would take longer. Nothing has changed then, and requests
        go on.
        """
        plan, progress = self.plan, self.progress
        progress.attempts += 1
        with (
            Session(control_engine()) as catalog,
            plan.target.administered() as opening,
            plan.source.administered() as locking,
            holding_batches(locking, plan.source),
        ):
            commit_softly(locking, waits=plan.source.waits_for_disk)
            left = plan.max_pause - measure_switch(catalog, plan, locking, opening)
            # What the last batch wrote is not left to the pause.
            self.follower.follow(_within(CATCH_UP_SECONDS), plan.max_pause / SHARE_OF_PAUSE)
            switch = Switch(catalog, lock_tenant(catalog, plan), plan, opening)
            self.follower.collect(0)
            wait_for_moment(locking, plan.source, left, self.follower.collect)
            progress.begin("lock")
            began = time.monotonic()
            give_up = self._give_up_after(began + left)
            with locked(locking, plan.source, left / 2):
                progress.begin("drain")
                self.follower.drain(give_up, self._most_rows_in(left))
                progress.begin("compare")
                self._compare(locking, opening)
                give_up()
                progress.begin("fence")
                fence(locking, plan.tenant_id)
                switch.carry_out(progress)
                progress.begin("unlock")
            progress.pause_seconds = time.monotonic() - began

    def _give_up_after(self, deadline: float) -> Callable[[], None]:
        def give_up() -> None:
            if time.monotonic() > deadline:
                raise BusyTenantError(
                    f"The switch would take longer than --max-pause. The tenant is served as"
                    f" before. It was at the step {self.progress.phase}."
                )

        return give_up

    def _most_rows_in(self, pause: float) -> int:
        """Return how many changed rows are written while requests wait."""
        return max(ALWAYS_IN_PAUSE, self.follower.applier.rows_within(pause / SHARE_OF_PAUSE))

    def _compare(self, source: connection, target: connection) -> None:
        """Compare the revisions and the rows that changed last, and continue the numbers."""
        check_revisions(self.plan, source, target)
        self.follower.applier.compare_finally(self.follower.source)
        continue_numbers(self.follower.source, self.target, self.tables)


def _within(seconds: float) -> Callable[[], None]:
    """Return a function that raises `BusyTenantError` after some seconds."""
    deadline = time.monotonic() + seconds

    def give_up() -> None:
        if time.monotonic() > deadline:
            raise BusyTenantError(
                "The target does not catch up with the changes of the source within"
                f" {seconds:.0f} s. The tenant is served as before."
            )

    return give_up


def check_revisions(plan: MovePlan, source: connection, target: connection) -> None:
    """Raise `DifferentTablesError` if the tables of both sides are at different revisions."""
    ours = read_revision(source, plan.source.schema)
    theirs = read_revision(target, plan.target.schema)
    if ours != theirs:
        raise DifferentTablesError(
            f"The source is at revision {ours}, and the target at {theirs}. A migration has run"
            " meanwhile. `flask tenants migrate --all` migrates active placements. If the target is"
            " a former placement, use `flask tenants move` instead of `move-back`."
        )
