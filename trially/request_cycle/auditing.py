"""The audit record of a request: who called, by which route, and with what result."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from uuid import UUID

from flask import current_app, request
from sqlalchemy.exc import SQLAlchemyError

from trially.audit.actors import Actor
from trially.audit.forms import Action, Form, Purpose
from trially.audit.recording import note, note_patients
from trially.auth.members.identities import Identity
from trially.auth.tokens import Claims
from trially.database.session import db
from trially.errors import OperatorError
from trially.http.contract import Contract, View, contract_of
from trially.http.masked_fields import MASKED_FIELDS
from trially.http.masking import marks_of
from trially.http.problems import Problem
from trially.request_cycle.replicas import is_on_replica, reads_only
from trially.request_state import request_state
from trially.tenancy.context import current_tenant, enter_tenant

REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""The errors that refuse a caller something. Others are recorded only if they name a patient."""

_ACTIONS = {"PATCH": Action.UPDATE, "PUT": Action.UPDATE, "DELETE": Action.DELETE}
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


def stranger(view: View) -> Actor:
    """Return a caller who is not known to be a member, for the record of a refusal."""
    state = request_state()
    return Actor(
        _form(view, "", request.method, _rule()),
        record_id=state.new_id,
        request_id=None if state.new_id else state.request_id,
        only_reads=reads_only(view),
    )


def name_caller(view: View, identity: Identity) -> None:
    """Name the member, or the operator with support access, in the current request's record."""
    actor = request_state().actor
    assert actor is not None  # noqa: S101
    actor.form = _form(view, identity.phi_level, request.method, _rule())
    actor.api_key_id = identity.api_key_id
    if identity.operator is None:
        actor.member_id = identity.member_id
    else:
        actor.operator = identity.operator
        actor.form = replace(actor.form, purpose=Purpose.OPERATION)


def note_support(identity: Identity) -> None:
    """Note under which support grant an operator acts, so that each such request is recorded.

    A replica records nothing. It answers only requests that show no patients.
    """
    if identity.acting_for is not None and not is_on_replica():
        note(support_grant=str(identity.acting_for))


def set_outcome(status: int) -> None:
    """Set the status of the answer in the record of the current request."""
    actor = request_state().actor
    if actor is not None:
        actor.outcome = status


def record_refusal(error: BaseException) -> None:
    """Record that a request was refused, in a transaction of its own.

    If the record cannot be written, the log says so. The answer shows nothing about a patient,
    except for an error that names one: the server then fails to answer.
    """
    actor = request_state().actor
    if actor is None or not isinstance(error, Problem):
        return
    named = list(_patients_in(error))
    if error.status not in REFUSALS and not named:
        return
    request_state().actor = replace(
        actor, form=replace(actor.form, action=Action.REFUSE, fields=()), outcome=int(error.status)
    )
    try:
        _write_refusal(error, named)
    except (SQLAlchemyError, OperatorError) as failure:
        db.session.rollback()
        current_app.logger.error("A refusal was not recorded: %s.", type(failure).__name__)  # noqa: TRY400
        if named:
            raise


def _write_refusal(error: Problem, named: list[UUID]) -> None:
    state = request_state()
    enter_tenant(current_tenant())
    note(refusal=state.refusal or error.code)
    if state.identity is None and isinstance(state.credential, Claims):
        note(issuer=state.credential.iss, subject=state.credential.sub)
    asked_for = (request.view_args or {}).get("patient_id")
    note_patients([*named, asked_for] if isinstance(asked_for, UUID) else named)
    db.session.commit()


def _patients_in(error: Problem) -> Iterator[UUID]:
    """Yield the patients that an error names."""
    for name in ("patient_id", "replaced_ids"):
        value = error.extensions.get(name, ())
        yield from map(UUID, [value] if isinstance(value, str) else value)


def _rule() -> str:
    return request.url_rule.rule if request.url_rule else request.endpoint or ""


@cache
def _form(view: View, phi_level: str, method: str, rule: str) -> Form:
    contract = contract_of(view)
    fields = [] if contract.result is None else [name for name, _ in marks_of(contract.result)]
    path = _ARGUMENT.sub(r"{\1}", rule)
    return Form(
        f"{'GET' if method == 'HEAD' else method} {path}",
        _action(contract, method),
        Purpose.RESEARCH,
        phi_level or None,
        tuple(name for name in fields if name != MASKED_FIELDS),
    )


def _action(contract: Contract, method: str) -> Action:
    if method in {"GET", "HEAD"} or contract.only_reads:
        return Action.SEARCH if contract.is_page else Action.READ
    if contract.streams_body:
        return Action.IMPORT
    if method == "POST":
        return Action.CREATE if contract.creates else Action.UPDATE
    return _ACTIONS[method]
