"""The life of a request: admit → view → settle. Only here is a token read and a request committed.

1. `admit` (before_request) verifies the token and enters its tenant: SQL goes to its bind.
2. `Application.answer` authorizes the member, runs the steps around the view, and settles. If the
   placement has changed, or a replica cannot answer, it tries again.
3. `settle` commits, or rolls back if the answer is an error.
4. Flask-SQLAlchemy closes the session at teardown.

A step wraps the view inside the tenant's transaction: it gets `proceed`, which calls the next step
or the view, and returns a response. It may answer without proceeding. The first step is outermost.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, request

from trially.auth.identity import read_claims, read_identity, refuse_revoked, resolve_tenant
from trially.auth.permissions import Permission, PhiLevel
from trially.auth.sign_ins import note_sign_in
from trially.config import current_settings
from trially.database.deadline import start_deadline
from trially.database.placement import current_placement
from trially.http.answering import ContractFlask, call_view, refuse_query
from trially.http.codes import Code
from trially.http.contract import View, contract_of
from trially.http.masking import show_identifiers
from trially.http.problems import Forbidden
from trially.http.reading import read_body
from trially.request_cycle import bulkheads, database_errors, key_errors, refusal_time
from trially.request_cycle.auditing import (
    name_caller,
    note_support,
    record_refusal,
    stranger,
)
from trially.request_cycle.bulkheads import occupy_thread
from trially.request_cycle.replaying import replay_response
from trially.request_cycle.replicas import enter_nearest, send_position
from trially.request_cycle.retrying import may_retry, prepare_retry
from trially.request_cycle.settling import roll_back, settle
from trially.state import request_state

Step = Callable[[Callable[[], Response]], Response]

STEPS: tuple[Step, ...] = (replay_response,)
"""What runs around every view that needs a permission, outermost first."""

MOST_ATTEMPTS = 3
"""On a replica, or with an old placement; with a new one; and at the place to which the tenant has
moved while the second attempt waited in the guard."""


def admit() -> None:
    """Verify the bearer token, and enter the tenant that it is for."""
    if request.endpoint is None or request.method == "OPTIONS":
        return
    view = current_app.view_functions[request.endpoint]
    if _permission_of(view) is None:
        return
    state, contract = request_state(), contract_of(view)
    state.admitted_at = time.perf_counter()
    state.claims = read_claims()
    request.environ["trially.authenticated"] = True  # for the server's limits: serving/answering.py
    if contract.body is not None:
        # Before the first statement, so that no transaction waits for a slow client.
        read_body()
    if not contract.streams_body:
        start_deadline(current_settings().request_timeout_ms)
    entry = resolve_tenant(state.claims)
    occupy_thread(entry)
    enter_nearest(entry, view)


class Application(ContractFlask):
    """The Flask app: it answers each request in one transaction of the request's tenant."""

    def answer(self, view: View, arguments: Mapping[str, Any]) -> Response:
        """Answer the current request, in at most `MOST_ATTEMPTS` attempts."""
        permission = _permission_of(view)
        if permission is None:
            return call_view(view, arguments)
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                request_state().forget_audit()
                authorize(view, permission)
                response = run_steps(lambda: call_view(view, arguments))
                settle(response)
            except BaseException as error:
                roll_back()
                if attempt == MOST_ATTEMPTS or not may_retry(error, attempt):
                    record_refusal(error)
                    raise
                prepare_retry(error)
            else:
                return response
        raise AssertionError


def authorize(view: View, permission: Permission) -> None:
    """Read the member from the tenant's database, and check what the view requires."""
    state = request_state()
    assert state.claims is not None  # noqa: S101
    assert state.tenant is not None  # noqa: S101
    state.actor = stranger(view)
    identity = state.identity = read_identity(state.claims, current_placement())
    name_caller(view, identity)
    refuse_revoked(state.claims, state.tenant)
    note_sign_in(state.claims, identity)
    if not identity.may(permission):
        raise Forbidden(
            f"This request needs the permission {permission}.", code=Code.MISSING_PERMISSION
        )
    note_support(identity)
    show_identifiers(is_shown=identity.phi_level is PhiLevel.FULL)
    refuse_query(view)


def run_steps(proceed: Callable[[], Response]) -> Response:
    """Run the steps around `proceed`."""
    for step in reversed(STEPS):
        proceed = partial(step, proceed)
    return proceed()


def init_app(app: Flask) -> None:
    """Put every request through the cycle."""
    bulkheads.init_app(app)
    app.before_request(admit)
    # Flask runs after_request functions in reverse order of registration.
    app.after_request(refusal_time.equalize_refusal_time)
    app.after_request(send_position)
    database_errors.init_app(app)
    key_errors.init_app(app)


def _permission_of(view: View) -> Permission | None:
    permission: Permission | None = view.__dict__["permission"]
    return permission
