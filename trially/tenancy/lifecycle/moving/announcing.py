"""Announce a switch to the processes that serve the tenant, so that they open connections first."""

import time

from sqlalchemy import update

from trially.config import current_settings
from trially.tenancy.catalog import IS_SWITCHING, Operation
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.plan import MovePlan
from trially.tenancy.lifecycle.moving.sides import Side
from trially.tenancy.servers.connections import execute

OPENING_SECONDS = 1.0
"""How long a process takes to open its connections, once it knows."""

QUIET_SECONDS = 1
"""A database without a request for so long has no clients that would all connect at once."""

_IS_BUSY = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'trially'
    AND state_change > clock_timestamp() - make_interval(secs => %s))
"""


def announce(plan: MovePlan) -> float:
    """Announce the switch, and return the monotonic time from which all processes know.

    A process learns of it when it renews its entry of the tenant. If the source has no requests,
    there is nothing to wait for.
    """
    with catalog_transaction() as session:
        session.execute(
            update(Operation)
            .where(Operation.id == plan.operation.id)
            .values(parameters={**plan.operation.parameters, IS_SWITCHING: True})
        )
    wait = current_settings().placement_max_age_seconds + OPENING_SECONDS
    return time.monotonic() + (wait if is_busy(plan.source) else 0.0)


def is_busy(source: Side) -> bool:
    """Return whether a request has used the source's database within `QUIET_SECONDS`."""
    with source.administered() as raw:
        [(is_busy,)] = execute(raw, _IS_BUSY, QUIET_SECONDS)
    return bool(is_busy)
