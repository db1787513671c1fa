"""Create and revoke API keys."""

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from trially.administration.granting import lock_granter
from trially.auth.api_keys.verifying import forget_key
from trially.auth.members.rights import LEVELS
from trially.auth.roles import PhiLevel, permissions_of
from trially.database.placement import current_placement
from trially.database.rows import Item
from trially.http.codes import Code
from trially.http.problems import Forbidden
from trially.keys.api_keys import new_api_key
from trially.request_state import request_state
from trially.resources.resource import Resource


def issue(keys: Resource, body: Mapping[str, Any]) -> Item:
    """Create a key that acts for the caller, and return it with its text. Answers 403."""
    granter, level = lock_granter(), PhiLevel(body["phi_level"])
    rights = granter.rights
    allowed = permissions_of(rights.role, level, has_all_sites=rights.site_ids is None)
    if lacking := set(body["scopes"]) - set(allowed):
        raise Forbidden(
            f"A key of yours with the PHI level {level} cannot have {', '.join(sorted(lacking))}.",
            code=Code.MORE_THAN_OWN_RIGHTS,
        )
    if LEVELS.index(level) > LEVELS.index(rights.phi_level):
        raise Forbidden(
            f"The PHI level of the key must be at most yours, {rights.phi_level}.",
            code=Code.MORE_THAN_OWN_RIGHTS,
        )
    key = new_api_key(current_placement().tenant_id, uuid7())
    item = keys.create(
        {
            "id": key.key_id,
            "member_id": granter.member_id,
            "name": body["name"],
            "digest": key.digest,
            "scopes": sorted(set(body["scopes"])),
            "phi_level": level,
            "expires_at": dt.datetime.now(dt.UTC) + dt.timedelta(days=body["valid_days"]),
        }
    )
    return {**item, "last_used_at": None, "key": key.text}


def revoke(keys: Resource, api_key_id: UUID) -> None:
    """Delete a key, or answer 404. Each process refuses it within 5 seconds."""
    keys.delete(api_key_id, None)
    request_state().after_commit.append(partial(forget_key, api_key_id))
