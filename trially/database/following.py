"""Open a transaction wherever the current tenant is placed now.

The guard refuses a transaction with its first statement. So a transaction that is opened by a
statement of its own does nothing before the guard has accepted it. If the tenant has moved, the
context enters it again and opens the transaction there. What comes behind is not repeated, and
does not notice.
"""

from flask_sqlalchemy.session import Session
from sqlalchemy import text

from trially.database.placement import ReplicaBehindError, StalePlacementError
from trially.state import app_state, request_state

MOST_MOVES = 3
"""How often a transaction follows its tenant."""

_NOTHING = text("SELECT 1")


def open_where_placed(session: Session) -> None:
    """Open the session's transaction at the tenant's present place, unless it is open already.

    Raises `StalePlacementError` if the catalog knows no place whose guard accepts the tenant, as
    while a move is interrupted, and `TenantSuspendedError`.
    """
    state = request_state()
    if state.has_begun and session.in_transaction():
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
