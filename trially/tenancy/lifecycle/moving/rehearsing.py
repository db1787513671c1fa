"""Measure how long the writes of a switch take at present, before requests wait for them."""

import time

from psycopg2.extensions import connection
from sqlalchemy import update
from sqlalchemy.orm import Session

from trially.tenancy.catalog import Operation
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.lifecycle.moving.guards import rewrite_epoch
from trially.tenancy.lifecycle.moving.plan import MovePlan

REHEARSALS = 3

LARGEST_SHARE = 0.8
"""If the writes take a larger share of the pause than this, the rest has no time."""


def measure_switch(
    catalog: Session, plan: MovePlan, locking: connection, opening: connection
) -> float:
    """Return the longest time that the writes of `fence`, `open` and `switch` took, in seconds.

    Each write is rehearsed over the connection that will do it: it writes what is there already,
    and commits. Raises `BusyTenantError` if that takes nearly as long as requests may wait.
    """
    longest = max(_rehearse(catalog, plan, locking, opening) for _ in range(REHEARSALS))
    if longest > plan.max_pause * LARGEST_SHARE:
        raise BusyTenantError(
            f"The writes of a switch take {longest * 1000:.0f} ms at present, because the servers"
            " are busy. The tenant is served as before. Wait, or allow a longer --max-pause."
        )
    return longest


def _rehearse(catalog: Session, plan: MovePlan, locking: connection, opening: connection) -> float:
    catalog.execute(
        update(Operation).where(Operation.id == plan.operation.id).values(step=Operation.step)
    )
    began = time.monotonic()
    rewrite_epoch(locking, plan.tenant_id)
    rewrite_epoch(opening, plan.tenant_id)
    catalog.commit()
    return time.monotonic() - began
