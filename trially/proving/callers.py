"""Send requests as a member of the attacking tenant, with a token or past its check."""

from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from uuid import UUID

from flask import Flask, current_app, request
from sqlalchemy import select

from trially.audit.working import working
from trially.auth.members.identities import Identity
from trially.auth.members.model import Member
from trially.auth.roles import PhiLevel, Role
from trially.database.session import db
from trially.http.answering import call_view
from trially.http.masking import show_identifiers
from trially.proving.attempts import Party
from trially.request_state import request_state
from trially.state import app_state
from trially.tenancy.context import current_tenant, enter_tenant, tenant_context

REFUSAL_STATUSES = frozenset({401, 403})

WITH_TOKEN = "with a token of the built-in issuer"  # noqa: S105
WITHOUT_TOKEN = "without a token check, with an owner's identity"  # noqa: S105


@dataclass(frozen=True)
class Answer:
    """The response of the API."""

    status: int
    body: bytes


Send = Callable[[str, str, Mapping[str, str], bytes], Answer]


@dataclass(frozen=True)
class Caller:
    """A member of a tenant, and a function that sends requests as this member."""

    authentication: str
    """How the member is authenticated; part of the report."""

    send: Send

    allowed: "Caller | None" = None
    """Who asks again where this member's role or the tenant's plan does not allow a request."""

    @property
    def rolled_back(self) -> "Caller":
        """Who sends requests whose transactions are rolled back."""
        return self.allowed or self

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[Answer, str]:
        """Send a request. Return the answer, and how the caller was authenticated.

        A refusal comes before the view, so it does not show which rows the view would reach.
        """
        answer = self.send(method, path, headers, body)
        if answer.status in REFUSAL_STATUSES and self.allowed is not None:
            return self.allowed.ask(method, path, headers, body)
        return answer, self.authentication


def caller_of(attacker: Party) -> Caller:
    """Return a caller with a token of the built-in issuer, or without a token if there is none."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    issuer = app_state().dev_issuer
    subject = _member_of(attacker, issuer.recorded_as) if issuer else None
    without_token = Caller(WITHOUT_TOKEN, _without_token(app, attacker))
    if issuer is None or subject is None:
        return without_token
    token = issuer.issue_token(
        subject=subject, tenant=str(attacker.tenant.id), lifetime_seconds=300
    )
    return Caller(WITH_TOKEN, _with_token(app, token), allowed=without_token)


def _with_token(app: Flask, token: str) -> Send:
    def send(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        authorised = {**headers, "Authorization": f"Bearer {token}"}
        response = app.test_client().open(path, method=method, headers=authorised, data=body)
        return Answer(response.status_code, response.get_data())

    return _in_own_context(send)


def _without_token(app: Flask, attacker: Party) -> Send:
    with tenant_context(str(attacker.tenant.id)), working():
        entry = current_tenant()
    owner = Identity(
        member_id=UUID(int=0),
        tenant_id=entry.tenant_id,
        issuer="",
        subject="",
        display_name=None,
        role=Role.OWNER,
        phi_level=PhiLevel.FULL,
        site_ids=None,
    )

    def send(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        with app.test_request_context(path, method=method, headers=dict(headers), data=body):
            enter_tenant(entry)
            request_state().identity = owner
            show_identifiers(is_shown=True)
            try:
                view = app.view_functions[request.endpoint or ""]
                response = call_view(view, request.view_args or {})
            except Exception as error:  # noqa: BLE001
                response = app.make_response(app.handle_user_exception(error))
            finally:
                db.session.rollback()
            return Answer(response.status_code, response.get_data())

    return _in_own_context(send)


def _in_own_context(send: Send) -> Send:
    """Run requests in a context of their own. Otherwise they would share the command's."""
    return lambda *args: Context().run(send, *args)


def _member_of(attacker: Party, issuer: str) -> str | None:
    """Return the subject of a member of this issuer with full rights, or None."""
    with tenant_context(str(attacker.tenant.id)), working():
        return db.session.scalar(
            select(Member.subject)
            .where(
                Member.tenant_id == attacker.tenant.id,
                Member.issuer == issuer,
                Member.role.in_((Role.OWNER, Role.ADMIN)),
                Member.phi_level == PhiLevel.FULL,
                Member.has_all_sites,
            )
            .order_by(Member.created_at)
            .limit(1)
        )
