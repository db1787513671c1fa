"""List and delete API keys, for operators."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import select

from trially.auth.api_keys.model import ApiKey, ApiKeyUse
from trially.auth.members.model import Member
from trially.database.rows import Item, delete_item, fetch_items, of_current_tenant, table_of
from trially.database.session import transaction
from trially.errors import OperatorError


class NoApiKeyError(OperatorError):
    """The tenant has no API key with this id."""


def list_keys() -> Sequence[Item]:
    """Return the API keys of the current tenant, oldest first."""
    keys, members, uses = (table_of(each) for each in (ApiKey, Member, ApiKeyUse))
    return fetch_items(
        select(
            keys.c.id,
            keys.c.name,
            members.c.subject,
            keys.c.scopes,
            keys.c.phi_level,
            keys.c.expires_at,
            uses.c.last_used_at,
            keys.c.created_at,
        )
        .join_from(
            keys,
            members,
            (members.c.tenant_id == keys.c.tenant_id) & (members.c.id == keys.c.member_id),
        )
        .outerjoin(uses, (uses.c.tenant_id == keys.c.tenant_id) & (uses.c.id == keys.c.id))
        .where(of_current_tenant(ApiKey))
        .order_by(keys.c.id)
    )


def delete_keys(key_ids: Collection[UUID] | None) -> int:
    """Delete these API keys of the current tenant, or all, and return how many.

    Raises `NoApiKeyError` if one does not exist; then none is deleted.
    """
    with transaction():
        chosen = {key["id"] for key in list_keys()} if key_ids is None else set(key_ids)
        for key_id in sorted(chosen):
            if not delete_item(ApiKey, key_id):
                raise NoApiKeyError(
                    f"The tenant has no API key {key_id}. `flask tenants api-keys list` shows them."
                )
    return len(chosen)
