"""Find the member for whom an API key acts, in the tenant's own database or a cache of seconds.

Anonymous callers can invent keys, and each one costs a query. So keys that this process has not
seen valid are looked up at a limited rate. Keys that it has seen valid are not limited.
"""

import datetime as dt
import time
from dataclasses import dataclass, field, replace
from uuid import UUID

from flask import Flask
from sqlalchemy import and_, bindparam, select

from trially.auth.api_keys.model import ApiKey
from trially.auth.members.identities import Identity, read_member
from trially.auth.members.model import Member
from trially.auth.members.rights import LEVELS
from trially.auth.permissions import Permission
from trially.auth.rate_limit import RateLimit
from trially.auth.roles import NOT_FOR_KEYS, PhiLevel
from trially.cache.ttl_cache import TTLCache
from trially.database.placement import Placement
from trially.database.rows import table_of
from trially.database.session import db
from trially.database.since import lacking
from trially.keys.api_keys import PresentedKey
from trially.state import app_state, state_of

CAPACITY = 10_000
FAMILIAR_SECONDS = 3600.0
STRANGE_KEYS_AT_ONCE = 60
SECONDS_BETWEEN_STRANGE_KEYS = 1.0


class UnknownKeyError(Exception):
    """A key is not valid. `reason` is a short code for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooManyUnknownKeysError(Exception):
    """This process looks up no more keys that it does not know now."""


@dataclass(frozen=True)
class KeyHolder:
    """A valid key: for whom it acts, and until when in seconds of the wall clock."""

    identity: Identity
    expires_at: float


@dataclass
class KnownKeys:
    """What a process knows of API keys."""

    valid: TTLCache[tuple[UUID, int, bytes], KeyHolder]
    """By the tenant, the epoch of its placement, and the digest of the key."""

    familiar: TTLCache[bytes, bytes] = field(
        default_factory=lambda: TTLCache(CAPACITY, FAMILIAR_SECONDS)
    )
    """The digests of keys that were valid of late, and may be looked up at any rate."""

    strange: RateLimit = field(
        default_factory=lambda: RateLimit(STRANGE_KEYS_AT_ONCE, SECONDS_BETWEEN_STRANGE_KEYS)
    )
    """How many keys that prove unknown may be looked up."""

    noted: TTLCache[UUID, UUID] = field(default_factory=lambda: TTLCache(CAPACITY, 600.0))
    """The keys whose last use this process has written of late."""


_key, _member = table_of(ApiKey).c, table_of(Member).c
_SELECT_KEY = (
    select(
        _key.digest,
        _key.scopes,
        _key.phi_level,
        _key.expires_at,
        _member.issuer,
        _member.subject,
    )
    .join_from(
        table_of(ApiKey),
        table_of(Member),
        and_(_member.tenant_id == _key.tenant_id, _member.id == _key.member_id),
    )
    .where(_key.tenant_id == bindparam("tenant_id"), _key.id == bindparam("id"))
)


def refuse_flood(key: PresentedKey) -> None:
    """Raise `TooManyUnknownKeysError` if the key may not be looked up now."""
    known = app_state().api_keys
    if not known.familiar.get(key.digest) and not known.strange.permits():
        raise TooManyUnknownKeysError


def count_unknown() -> None:
    """Count a key that has proved unknown."""
    app_state().api_keys.strange.take()


def find_key_holder(placement: Placement, key: PresentedKey) -> Identity | None:
    """Return the member for whom a key acts, with what the key allows; None for an unknown key.

    The rights of both are at most as old as a placement. Raises `UnknownKeyError` for an expired
    key, and `TooManyUnknownKeysError`.
    """
    known = app_state().api_keys
    cached = (placement.tenant_id, placement.epoch, key.digest)
    holder = known.valid.get(cached)
    if holder is None:
        refuse_flood(key)
        holder = _read_holder(placement, key)
        if holder is None:
            return None
        known.familiar.put(key.digest, key.digest)
        known.valid.put(cached, holder)
    if holder.expires_at <= time.time():
        raise UnknownKeyError("expired_api_key")
    return holder.identity


def _read_holder(placement: Placement, key: PresentedKey) -> KeyHolder | None:
    if ApiKey.__tablename__ in lacking().tables:
        return None
    values = {"tenant_id": placement.tenant_id, "id": key.key_id}
    row = db.session.execute(_SELECT_KEY, values).first()
    if row is None or not key.has_digest(bytes(row.digest)):
        return None
    member = read_member(placement, row.issuer, row.subject)
    if member is None:
        return None
    expires_at: dt.datetime = row.expires_at
    return KeyHolder(
        replace(
            member,
            phi_level=min(member.phi_level, PhiLevel(row.phi_level), key=LEVELS.index),
            api_key_id=key.key_id,
            scopes=scopes_of(row.scopes),
        ),
        expires_at.timestamp(),
    )


def scopes_of(names: list[str]) -> frozenset[Permission]:
    """Return the permissions that a key's scopes name. Those of later versions are left out."""
    named = {Permission(name) for name in names if name in set(Permission)}
    return frozenset(named - NOT_FOR_KEYS | {Permission.ME_READ})


def forget_key(key_id: UUID) -> None:
    """Let this process read a key again before its next use."""
    app_state().api_keys.valid.forget(lambda holder: holder.identity.api_key_id == key_id)


def init_app(app: Flask, max_age_seconds: float) -> None:
    """Create the app's cache of API keys."""
    state_of(app).api_keys = KnownKeys(TTLCache(CAPACITY, max_age_seconds))
