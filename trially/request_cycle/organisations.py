"""The life of a request for an organisation: no tenant is entered, and nothing is committed.

As in a request to the platform API, SQL goes to the catalog only, with the role that may only read.
The token has another audience, and the catalog says of which organisations its holder is a person.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Response, request

from trially.auth.organisations.permissions import OrganisationPermission
from trially.auth.organisations.persons import Person, find_person
from trially.auth.organisations.sign_ins import note_sign_in
from trially.auth.organisations.verifying import REALM, read_organisation_claims
from trially.auth.tenant_prefix import PATH_TENANT
from trially.auth.tokens import Claims
from trially.database.planes import platform_request
from trially.http.answering import call_view, refuse_query
from trially.http.codes import Code
from trially.http.contract import View
from trially.http.problems import BadRequest, Forbidden, NotFound, ServiceUnavailable
from trially.http.retry_after import retry_after
from trially.request_cycle.bulkheads import occupy_thread_of
from trially.request_cycle.platform import TENANT_HEADER
from trially.request_state import request_state
from trially.tenancy.catalog_reader import CatalogUnavailableError

ORGANISATIONS = UUID(int=1)
"""In place of a tenant's id, where requests are counted."""


def admit_organisation() -> None:
    """Verify the person's bearer token. A request that names a tenant is refused."""
    state = request_state()
    state.credential = read_organisation_claims()
    request.environ["trially.authenticated"] = True  # for the server's limits: serving/answering.py
    if PATH_TENANT in request.environ:
        raise NotFound("Organisations are not under the slug of a tenant.")
    if TENANT_HEADER in request.headers:
        raise BadRequest(f"A request for an organisation takes no {TENANT_HEADER}.")
    occupy_thread_of(ORGANISATIONS, "catalog", "Too many requests for organisations are running.")


def answer_organisation(
    view: View, arguments: Mapping[str, Any], permission: OrganisationPermission
) -> Response:
    """Answer the current request, without any access to tenants' databases."""
    state = request_state()
    assert isinstance(state.credential, Claims)  # noqa: S101
    with platform_request():
        try:
            state.person_of_organisation = _authorized(state.credential, permission)
            refuse_query(view)
            return call_view(view, arguments)
        except CatalogUnavailableError:
            raise ServiceUnavailable(
                "The control plane does not answer now.",
                code=Code.CONTROL_PLANE_UNAVAILABLE,
                headers=retry_after(Code.CONTROL_PLANE_UNAVAILABLE),
            ) from None


def _authorized(claims: Claims, permission: OrganisationPermission) -> Person:
    """Return the person who sent the token, or raise `Forbidden`."""
    person = find_person(claims)
    if person is None:
        request_state().refusal = "no_person_of_organisation"
        raise _forbidden("The token is not one of a person of an organisation.")
    note_sign_in(claims, person)
    if not person.may(permission):
        raise _forbidden(
            f"This request needs the permission {permission}.", Code.MISSING_PERMISSION
        )
    return person


def _forbidden(detail: str, code: Code = Code.NOT_IN_AN_ORGANISATION) -> Forbidden:
    challenge = f'Bearer realm="{REALM}", error="insufficient_scope"'
    return Forbidden(detail, code=code, headers={"WWW-Authenticate": challenge})
