"""Open a transaction wherever the current tenant is placed now.

The guard refuses a transaction with its first statement. So a transaction that is opened by a
statement of its own does nothing before the guard has accepted it. If the tenant has moved, the
context enters it again and opens the transaction there. What comes behind is not repeated, and
does not notice.
"""

import time

from flask_sqlalchemy.session import Session
from sqlalchemy import text

from trially.database.placement import (
    ReplicaBehindError,
    StalePlacementError,
    current_placement,
)
from trially.request_state import request_state
from trially.state import app_state

MOST_MOVES = 3
"""How often a transaction follows its tenant."""

MOST_WAITED_SECONDS = 25.0
"""How long a batch waits for the switch of a move."""

POLL_SECONDS = 0.02

_NOTHING = text("SELECT 1")


def batch_lock_key(tenant_id: str) -> str:
    """Return SQL for the key of a tenant's batch lock; `tenant_id` is an SQL expression.

    In the tenant's database each batch of an import or of a job holds it shared. A mover takes it
    exclusively before the switch: a batch lasts longer than requests may wait.
    """
    return f"uuid_hash_extended({tenant_id}, 2)"


_MAY_BEGIN = text(
    f"SELECT pg_try_advisory_xact_lock_shared({batch_lock_key('CAST(:tenant_id AS uuid)')})"
)


def open_where_placed(session: Session) -> None:
    """Open the session's transaction at the tenant's present place, unless it is open already.

    Raises `StalePlacementError` if the catalog knows no place whose guard accepts the tenant, as
    while a move is interrupted, and `TenantSuspendedError`.
    """
    state = request_state()
    if _is_open(session):
        return
    noted, waiting = state.audit, state.after_commit
    for moves in range(MOST_MOVES + 1):
        try:
            session.execute(_NOTHING)
        except ReplicaBehindError:
            raise
        except StalePlacementError:
            session.rollback()
            if moves == MOST_MOVES or state.tenant is None:
                raise
            # What was noted belongs to the transaction that is not open yet.
            state.audit, state.after_commit = noted, waiting
            app_state().follow_tenant()
        else:
            return


def open_batch(session: Session) -> None:
    """Open a batch's transaction as `open_where_placed` does. A move that is about to switch first.

    It holds no connection and no lock while it waits, and waits `MOST_WAITED_SECONDS` at most.
    """
    if _is_open(session):
        return
    state, ends_at = request_state(), time.monotonic() + MOST_WAITED_SECONDS
    noted, waiting = state.audit, state.after_commit
    open_where_placed(session)
    while time.monotonic() < ends_at:
        if session.scalar(_MAY_BEGIN, {"tenant_id": current_placement().tenant_id}):
            return
        session.rollback()
        state.audit, state.after_commit = noted, waiting
        time.sleep(POLL_SECONDS)
        open_where_placed(session)


def _is_open(session: Session) -> bool:
    return request_state().has_begun and session.in_transaction()
