"""Commit what a request did, or roll it back."""

from contextlib import suppress

from flask import Response
from sqlalchemy.exc import DBAPIError

from trially.database.session import (
    check_tenant_open,
    commit,
    is_in_transaction,
    open_transaction,
    roll_back_transaction,
)
from trially.request_cycle.auditing import set_outcome
from trially.request_state import request_state

ERRORS_START = 400


def settle(response: Response) -> None:
    """Commit the tenant's transaction, or roll it back if the response is an error."""
    if response.status_code >= ERRORS_START:
        roll_back()
        return
    set_outcome(response.status_code)
    state = request_state()
    has_run = is_in_transaction() or state.has_committed
    if not has_run and state.audit.are_empty:
        # If the view ran no SQL, the guard has not run: run it, or a suspended tenant gets a 200.
        # An audit record is committed by a transaction, which runs the guard.
        check_tenant_open()
    if not state.can_repeat and not state.audit.are_empty:
        open_transaction()
    state.is_committing = True
    commit()
    state.is_committing = False


def roll_back() -> None:
    """Roll back the open transaction. If the connection is lost, the server does it by itself."""
    with suppress(DBAPIError):
        roll_back_transaction()
