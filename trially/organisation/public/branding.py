"""All public branding, in the memory of each process.

A sign-in page asks before a person has signed in, and a stranger may try names. So an unknown
name costs no query: the process holds the branding of every tenant that has any, and reads it again
at most every few seconds. All names that are not in it have the same answer.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any
from uuid import UUID

import orjson
from psycopg2.errors import UndefinedTable
from sqlalchemy import and_, func, or_, select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from trially.organisation.model import PublishedBranding, PublishedLogo, TenantDomain
from trially.tenancy.catalog import Tenant, TenantSlug
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.model import Plan, PlanOverride
from trially.tenancy.pinning import is_served

SECONDS = 5.0
"""How old the branding in a process may be, while the catalog answers."""

MOST_LOGO_MEMORY = 16 << 20
"""Bytes of logos that a process keeps."""

DEFAULT: Mapping[str, Any] = {
    "product_name": "trially",
    "primary_color": "#0b6e69",
    "on_primary_color": "#ffffff",
    "accent_color": "#0b6e69",
    "locale": "en-US",
    "logo_digest": None,
}
"""What a tenant without branding has, and everything that is no tenant."""


@dataclass(frozen=True)
class Branding:
    """One public document."""

    values: Mapping[str, Any] = field(default_factory=lambda: DEFAULT)

    @cached_property
    def version(self) -> int:
        """A number for the entity tag: equal documents have equal ones."""
        digest = hashlib.sha256(orjson.dumps(self.values)).digest()
        return int.from_bytes(digest[:6])


DEFAULT_BRANDING = Branding()


@dataclass(frozen=True)
class Logo:
    """A public logo."""

    media_type: str
    content: bytes


@dataclass(frozen=True)
class Snapshot:
    """The branding of all tenants that have any, by each of their names."""

    by_slug: Mapping[str, Branding] = field(default_factory=dict)
    by_domain: Mapping[str, Branding] = field(default_factory=dict)
    owners: Mapping[str, UUID] = field(default_factory=dict)
    """A tenant for each digest of a logo."""


class PublicBranding:
    """Finds branding by names, and logos by their digests. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._snapshot: Snapshot | None = None
        self._expires_at = 0.0
        self._logos: dict[str, Logo] = {}

    def find(self, *, slug: str | None = None, domain: str | None = None) -> Branding:
        """Return the branding of a domain or else of a slug, or the default.

        Raises `CatalogUnavailableError` if none was ever read.
        """
        snapshot = self._current()
        if domain is not None:
            return snapshot.by_domain.get(domain, DEFAULT_BRANDING)
        return snapshot.by_slug.get(slug or "", DEFAULT_BRANDING)

    def logo(self, digest: str) -> Logo | None:
        """Return the logo with a digest, or None if no public branding has it.

        Raises `CatalogUnavailableError`.
        """
        tenant_id = self._current().owners.get(digest)
        if tenant_id is None:
            return None
        return self._logos.get(digest) or self._read_logo(tenant_id, digest)

    def _current(self) -> Snapshot:
        """Return the snapshot. One thread renews an expired one, and the others use it."""
        snapshot = self._snapshot
        if snapshot is not None and time.monotonic() < self._expires_at:
            return snapshot
        if not self._lock.acquire(blocking=snapshot is None):
            assert snapshot is not None  # noqa: S101
            return snapshot
        try:
            if self._snapshot is None or time.monotonic() >= self._expires_at:
                self._snapshot = catalog_reader().ask_or_use(
                    read_snapshot, self._snapshot, "branding"
                )
                self._expires_at = time.monotonic() + SECONDS
            return self._snapshot
        finally:
            self._lock.release()

    def _read_logo(self, tenant_id: UUID, digest: str) -> Logo | None:
        logo = catalog_reader().ask(lambda: read_logo(tenant_id, digest))
        if logo is not None:
            with self._lock:
                self._logos[digest] = logo
                while sum(len(each.content) for each in self._logos.values()) > MOST_LOGO_MEMORY:
                    del self._logos[next(iter(self._logos))]
        return logo


def read_snapshot() -> Snapshot:
    """Read the branding of all active tenants that have some, and the feature."""
    has_feature = func.coalesce(
        PlanOverride.is_on,
        or_(Plan.features.is_(None), Plan.features.has_key(Feature.BRANDING.value)),
    )
    statement = (
        select(
            PublishedBranding.tenant_id,
            PublishedBranding.document,
            TenantDomain.domain,
            select(func.array_agg(TenantSlug.slug))
            .where(TenantSlug.tenant_id == Tenant.id)
            .scalar_subquery()
            .label("slugs"),
        )
        .join(Tenant, Tenant.id == PublishedBranding.tenant_id)
        .join(Plan, Plan.name == Tenant.plan)
        .outerjoin(
            PlanOverride,
            and_(
                PlanOverride.tenant_id == Tenant.id,
                PlanOverride.name == Feature.BRANDING,
                or_(PlanOverride.until.is_(None), PlanOverride.until > func.now()),
            ),
        )
        .outerjoin(
            TenantDomain,
            and_(TenantDomain.tenant_id == Tenant.id, TenantDomain.expires_at > func.now()),
        )
        .where(Tenant.status == TenantStatus.ACTIVE, is_served(), has_feature)
    )
    try:
        with reader_engine().connect() as catalog:
            rows = catalog.execute(statement).all()
    except ProgrammingError as error:
        if not isinstance(error.orig, UndefinedTable):
            raise
        return Snapshot()  # The catalog is not migrated yet.
    return _snapshot_of(rows)


def _snapshot_of(rows: Any) -> Snapshot:
    by_slug: dict[str, Branding] = {}
    by_domain: dict[str, Branding] = {}
    owners: dict[str, UUID] = {}
    for row in rows:
        branding = Branding(
            {name: row.document.get(name, default) for name, default in DEFAULT.items()}
        )
        by_slug |= dict.fromkeys(row.slugs or (), branding)
        if row.domain is not None:
            by_domain[row.domain] = branding
        if digest := branding.values["logo_digest"]:
            owners[digest] = row.tenant_id
    return Snapshot(by_slug, by_domain, owners)


def read_logo(tenant_id: UUID, digest: str) -> Logo | None:
    """Return a published logo of a tenant, or None if it has another one by now."""
    with Session(reader_engine()) as session:
        row = session.get(PublishedLogo, tenant_id)
        return None if row is None or row.digest != digest else Logo(row.media_type, row.content)
