"""The life of a request: admit → view → settle. Only here is a token read and a request committed.

1. `admit` (before_request) verifies the token and enters its tenant: SQL goes to its bind.
2. `Application.answer` authorizes the member, runs the steps around the view, and settles. If the
   placement has changed, or a replica cannot answer, it tries again.
3. `settle` commits, or rolls back if the answer is an error.
4. Flask-SQLAlchemy closes the session at teardown.

A request to the platform API is another one: `platform` has its life. So is a request for an
organisation: `organisations` has its life.

A step wraps the view inside the tenant's transaction: it gets `proceed`, which calls the next step
or the view, and returns a response. It may answer without proceeding. The first step is outermost.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Flask, Response, current_app, request

from trially.auth import plan_refusals
from trially.auth.api_keys.noting_use import note_key_use
from trially.auth.identity import read_credential, read_identity, refuse_revoked, resolve_tenant
from trially.auth.organisations.permissions import OrganisationPermission
from trially.auth.permissions import Permission
from trially.auth.plan_refusals import refuse_missing_feature
from trially.auth.platform.permissions import PlatformPermission
from trially.auth.roles import PhiLevel
from trially.auth.sign_ins import note_sign_in
from trially.auth.tokens import Claims
from trially.config import current_settings
from trially.database.deadline import start_deadline
from trially.database.placement import current_placement
from trially.http.answering import ContractFlask, call_view, refuse_query
from trially.http.codes import Code
from trially.http.contract import View, contract_of
from trially.http.masking import show_identifiers
from trially.http.problems import Forbidden
from trially.http.reading import read_body
from trially.request_cycle import bulkheads, database_errors, key_errors, limiting, refusal_time
from trially.request_cycle.auditing import (
    name_caller,
    note_support,
    record_refusal,
    stranger,
)
from trially.request_cycle.bulkheads import occupy_thread
from trially.request_cycle.limiting import count_request, refuse_again
from trially.request_cycle.organisations import admit_organisation, answer_organisation
from trially.request_cycle.platform import admit_platform, answer_platform
from trially.request_cycle.replaying import replay_response
from trially.request_cycle.replicas import enter_nearest, send_position
from trially.request_cycle.retrying import may_retry, prepare_retry
from trially.request_cycle.settling import roll_back, settle
from trially.request_state import request_state

AnyPermission = Permission | PlatformPermission | OrganisationPermission
Step = Callable[[Callable[[], Response]], Response]

STEPS: tuple[Step, ...] = (replay_response,)
"""What runs around every view that needs a permission, outermost first."""

MOST_ATTEMPTS = 3
"""On a replica, or with an old placement; with a new one; and at the place to which the tenant has
moved while the second attempt waited in the guard."""


def admit() -> None:
    """Verify the bearer token or API key, and enter the tenant that it is for."""
    if request.endpoint is None or request.method == "OPTIONS":
        return
    view = current_app.view_functions[request.endpoint]
    permission = _permission_of(view)
    if permission is None:
        return
    state, contract = request_state(), contract_of(view)
    state.admitted_at = time.perf_counter()
    if isinstance(permission, PlatformPermission):
        admit_platform(view)
        return
    if isinstance(permission, OrganisationPermission):
        admit_organisation()
        return
    refuse_again()
    state.credential = read_credential()
    if isinstance(state.credential, Claims):
        _mark_authenticated()
    if contract.body is not None or contract.reads_document:
        # Before the first statement, so that no transaction waits for a slow client.
        read_body()
    if not contract.streams_body:
        start_deadline(current_settings().request_timeout_ms)
    entry = resolve_tenant(state.credential)
    occupy_thread(entry)
    enter_nearest(entry, view)


class Application(ContractFlask):
    """The Flask app: it answers each request in one transaction of the request's tenant."""

    def answer(self, view: View, arguments: Mapping[str, Any]) -> Response:
        """Answer the current request, in at most `MOST_ATTEMPTS` attempts."""
        permission = _permission_of(view)
        if permission is None:
            return call_view(view, arguments)
        if isinstance(permission, PlatformPermission):
            return answer_platform(view, arguments, permission)
        if isinstance(permission, OrganisationPermission):
            return answer_organisation(view, arguments, permission)
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
    assert state.credential is not None  # noqa: S101
    assert state.tenant is not None  # noqa: S101
    state.actor = stranger(view)
    identity = state.identity = read_identity(state.credential, current_placement())
    _mark_authenticated()
    name_caller(view, identity)
    refuse_revoked(state.credential, state.tenant)
    note_sign_in(state.credential, identity)
    count_request(identity, state.tenant)
    if not identity.may(permission):
        raise Forbidden(
            f"This request needs the permission {permission}.", code=Code.MISSING_PERMISSION
        )
    refuse_missing_feature(view, state.tenant)
    note_support(identity)
    note_key_use(current_placement(), identity)
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
    limiting.init_app(app)
    app.before_request(admit)
    # Flask runs after_request functions in reverse order of registration.
    app.after_request(refusal_time.equalize_refusal_time)
    app.after_request(send_position)
    database_errors.init_app(app)
    key_errors.init_app(app)
    plan_refusals.init_app(app)


def _mark_authenticated() -> None:
    """Tell the server that the client has proved who it is: see serving/answering.py."""
    request.environ["trially.authenticated"] = True


def _permission_of(view: View) -> AnyPermission | None:
    permission: AnyPermission | None = view.__dict__["permission"]
    return permission
