"""Routes of API keys."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy import select

from trially.administration.api_keys.issuing import issue, revoke
from trially.administration.api_keys.schema import (
    ApiKeyQuerySchema,
    ApiKeySchema,
    CreatedApiKeySchema,
    NewApiKeySchema,
)
from trially.auth.api_keys.model import ApiKey, ApiKeyUse
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts,
    queries,
    returns,
    returns_nothing,
    returns_page,
    shows_secret,
)
from trially.http.pages import Page
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("api_keys", __name__, url_prefix="/api-keys")

columns = table_of(ApiKey).c
_use = table_of(ApiKeyUse).c
_last_used_at = (
    select(_use.last_used_at)
    .where(_use.tenant_id == columns.tenant_id, _use.id == columns.id)
    .correlate(table_of(ApiKey))
    .scalar_subquery()
)

API_KEYS = Resource(
    ApiKey,
    ApiKeySchema(),
    scope=WHOLE_TENANT,
    filters={"member_id": equals(columns.member_id)},
    computed=[_last_used_at.label("last_used_at")],
)


@bp.get("")
@requires(Permission.API_KEYS_READ)
@queries(ApiKeyQuerySchema())
@returns_page(ApiKeySchema())
def list_api_keys(query: dict[str, Any]) -> Page:
    """List the API keys of all members, oldest first.

    The keys themselves are not stored, so none is shown. Expired ones are listed until they are
    revoked.
    """
    return API_KEYS.page(query)


@bp.post("")
@requires(Permission.API_KEYS_WRITE)
@shows_secret
@accepts(NewApiKeySchema())
@returns(CreatedApiKeySchema(), HTTPStatus.CREATED)
def create_api_key(body: dict[str, Any]) -> Item:
    """Create an API key that acts for the caller.

    The answer shows the key, once. Send it as `Authorization: Bearer trk_…`. It has the named
    scopes and shows as much of patients as its PHI level says, and never more than its member may
    at the time of a request: if the member loses a permission or is removed, so does the key. The
    key is of this tenant alone. An `Idempotency-Key` has no effect, because no answer is stored.
    """
    return issue(API_KEYS, body)


@bp.get("/<uuid:api_key_id>")
@requires(Permission.API_KEYS_READ)
@returns(ApiKeySchema())
def show_api_key(api_key_id: UUID) -> Item:
    """Show what is known of an API key.

    The key itself is not stored, so nothing can show it again.
    """
    found = API_KEYS.pick([api_key_id]).get(api_key_id)
    if found is None:
        raise API_KEYS.not_found()
    return found


@bp.delete("/<uuid:api_key_id>")
@requires(Permission.API_KEYS_WRITE)
@returns_nothing
def revoke_api_key(api_key_id: UUID) -> None:
    """Revoke an API key.

    Every process refuses it within 5 seconds. The audit log keeps what was done with it.
    """
    revoke(API_KEYS, api_key_id)
