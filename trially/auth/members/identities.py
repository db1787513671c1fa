"""Find the member behind a request, in the tenant's own database or a cache of seconds."""

import time
from dataclasses import dataclass
from uuid import UUID

from flask import Flask
from sqlalchemy import ARRAY, Uuid, bindparam, func, select

from trially.auth.members.model import Member, MemberSite
from trially.auth.permissions import Permission
from trially.auth.roles import PhiLevel, Role, permissions_of
from trially.cache.ttl_cache import TTLCache
from trially.config import current_settings
from trially.database.fixed_statements import FixedStatement
from trially.database.placement import Placement, ReplicaPlacement
from trially.database.rows import table_of
from trially.state import app_state, state_of

CACHE_CAPACITY = 10_000


@dataclass(frozen=True)
class Identity:
    """The caller as a member of the current tenant, detached from the database."""

    member_id: UUID
    tenant_id: UUID
    issuer: str
    subject: str
    display_name: str | None
    role: Role
    phi_level: PhiLevel
    site_ids: frozenset[UUID] | None
    """The sites that the caller is restricted to. None means all sites."""

    acting_for: UUID | None = None
    """The support grant under which an operator acts; None for a member of the tenant.

    The operator is (`issuer`, `subject`), and `member_id` is the same at each visit.
    """

    api_key_id: UUID | None = None
    """The API key with which a program acts for the member; None for the member in person."""

    scopes: frozenset[Permission] | None = None
    """The permissions that the API key is restricted to; None without a key."""

    @property
    def operator(self) -> str | None:
        """The operator and the grant, for the tenant's audit log; None for a member."""
        if self.acting_for is None:
            return None
        return f"{self.subject[:200]} with support grant {self.acting_for}"

    @property
    def permissions(self) -> frozenset[Permission]:
        """The permissions of the caller's role, less what PHI level, sites and scopes exclude."""
        allowed = permissions_of(self.role, self.phi_level, has_all_sites=self.site_ids is None)
        return allowed if self.scopes is None else allowed & self.scopes

    def may(self, permission: Permission) -> bool:
        """Return whether the caller has `permission`."""
        return permission in self.permissions


_member, _site = table_of(Member).c, table_of(MemberSite).c
_SITE_IDS = (
    select(_site.site_id)
    .where(_site.tenant_id == _member.tenant_id, _site.member_id == _member.id)
    .scalar_subquery()
)
_SELECT_MEMBER = FixedStatement(
    select(
        _member.id,
        _member.display_name,
        _member.role,
        _member.phi_level,
        _member.has_all_sites,
        func.array(_SITE_IDS, type_=ARRAY(Uuid)).label("site_ids"),
    ).where(
        _member.tenant_id == bindparam("tenant_id"),
        _member.issuer == bindparam("issuer"),
        _member.subject == bindparam("subject"),
    )
)


def find_identity(placement: Placement, issuer: str, subject: str) -> Identity | None:
    """Return the current tenant's member with this issuer and subject, or None.

    A member is cached for as long as a placement, so most requests run no query here.
    """
    cache = app_state().identities
    key = (placement.tenant_id, placement.epoch, issuer, subject)
    identity = cache.get(key)
    if identity is None:
        identity = read_member(placement, issuer, subject)
        if identity is not None:
            cache.put(key, identity, ends=_expires_at(placement))
    return identity


def read_member(placement: Placement, issuer: str, subject: str) -> Identity | None:
    """Return what `find_identity` returns, from the database in any case."""
    named = {"tenant_id": placement.tenant_id, "issuer": issuer, "subject": subject}
    rows = _SELECT_MEMBER.run(named).rows
    if not rows:
        return None
    member_id, display_name, role, phi_level, has_all_sites, site_ids = rows[0]
    return Identity(
        member_id=member_id,
        tenant_id=placement.tenant_id,
        issuer=issuer,
        subject=subject,
        display_name=display_name,
        role=Role(role),
        phi_level=PhiLevel(phi_level),
        site_ids=None if has_all_sites else frozenset(site_ids),
    )


def _expires_at(placement: Placement) -> float | None:
    """Return when a member read from a replica expires, or None for the cache's usual time.

    A replica's row may be old by the greatest lag, so it is cached for that much less.
    """
    if not isinstance(placement, ReplicaPlacement):
        return None
    settings = current_settings()
    lag_seconds = settings.replica_max_lag_ms / 1000
    return time.monotonic() + settings.placement_max_age_seconds - lag_seconds


def init_app(app: Flask, max_age_seconds: float) -> None:
    """Create the app's cache of members."""
    state_of(app).identities = TTLCache(CACHE_CAPACITY, max_age_seconds)
