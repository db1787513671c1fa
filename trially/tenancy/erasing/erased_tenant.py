"""What an erasure must know of its tenant, also when the catalog knows the tenant no longer."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from trially.tenancy.catalog import Operation, PlacementRecord, Tenant, TenantSlug


@dataclass(frozen=True)
class Place:
    """A placement that the tenant has, or has left."""

    id: str
    server: str
    tier: str
    database: str
    schema: str
    role: str

    @property
    def name(self) -> str:
        """The placement, as a certificate names it."""
        return f"{self.tier} on the server {self.server}, database {self.database}"


@dataclass(frozen=True)
class ErasedTenant:
    """A tenant that is erased: its names and its placements."""

    id: UUID
    slug: str
    slugs: Sequence[str]
    """The current slug and the former ones."""

    name: str
    created_at: dt.datetime
    places: Sequence[Place]
    operations: Sequence[str]
    """The ids of its operations, in hexadecimal. Moves name slots and publications by them."""

    def as_json(self) -> dict[str, Any]:
        """Return the values that `from_json` reads."""
        return {
            "id": str(self.id),
            "slug": self.slug,
            "slugs": list(self.slugs),
            "name": self.name,
            "created_at": self.created_at.isoformat(),
            "places": [asdict(each) for each in self.places],
            "operations": list(self.operations),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ErasedTenant":
        """Return the tenant that `as_json` described."""
        return cls(
            id=UUID(values["id"]),
            slug=values["slug"],
            slugs=values["slugs"],
            name=values["name"],
            created_at=dt.datetime.fromisoformat(values["created_at"]),
            places=[Place(**each) for each in values["places"]],
            operations=values["operations"],
        )


def read_tenant(session: Session, tenant: Tenant) -> ErasedTenant:
    """Return what an erasure must know of a tenant. The session holds the lock of its row."""
    return ErasedTenant(
        id=tenant.id,
        slug=tenant.slug,
        slugs=session.scalars(
            select(TenantSlug.slug).where(TenantSlug.tenant_id == tenant.id)
        ).all(),
        name=tenant.name,
        created_at=tenant.created_at,
        places=[_place(each) for each in read_placements(session, tenant.id)],
        operations=[
            each.hex
            for each in session.scalars(
                select(Operation.id).where(Operation.tenant_id == tenant.id)
            )
        ],
    )


def read_placements(session: Session, tenant_id: UUID) -> Sequence[PlacementRecord]:
    """Return the placements that a tenant has or has left, while the catalog knows them."""
    return session.scalars(
        select(PlacementRecord)
        .where(PlacementRecord.tenant_id == tenant_id)
        .options(joinedload(PlacementRecord.server))
        .order_by(PlacementRecord.is_active, PlacementRecord.id)
    ).all()


def digest_of_slug(slug: str) -> bytes:
    """Return the digest by which the catalog recognises the slug of an erased tenant.

    It has no salt: the trigger on `tenant_slug` computes it too. Who guesses a slug can test the
    guess, as with any slug that is taken.
    """
    return hashlib.sha256(slug.encode()).digest()


def _place(record: PlacementRecord) -> Place:
    return Place(
        str(record.id),
        record.server.name,
        record.tier,
        record.database,
        record.schema,
        record.role,
    )
