"""The catalog's table of issuers that tenants have registered for themselves."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.sql import text

from trially.database.model import CatalogModel, Timestamped

SHORTEST_LIFETIME_SECONDS = 60
LONGEST_LIFETIME_SECONDS = 86_400


class TenantIssuer(Timestamped, CatalogModel):
    """An OpenID Connect issuer that an owner has registered for the owner's tenant alone.

    Several tenants may register one issuer: the audience of a token names the row, and so the
    tenant. Requests change the rows only through functions of migration 0026.
    """

    __tablename__ = "tenant_issuer"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"))
    issuer: Mapped[str] = mapped_column(String(255))
    """The exact value of `iss`. It never changes, because it is what was proven."""

    name: Mapped[str] = mapped_column(String(100), server_default="")
    max_lifetime_seconds: Mapped[int]
    """The longest time from `iat` to `exp`."""

    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    proven_at: Mapped[dt.datetime | None]
    """When the issuer had signed a token for the tenant. NULL: not yet, so no token counts."""

    version: Mapped[int] = mapped_column(BigInteger, server_default="1", sort_order=899)

    __table_args__ = (
        CheckConstraint(
            f"max_lifetime_seconds BETWEEN {SHORTEST_LIFETIME_SECONDS}"
            f" AND {LONGEST_LIFETIME_SECONDS}",
            name="max_lifetime_seconds",
        ),
        UniqueConstraint("tenant_id", "issuer"),
    )


@dataclass(frozen=True)
class OwnIssuer:
    """What is needed to verify the tokens of a tenant's own issuer."""

    id: UUID
    tenant_id: UUID
    issuer: str
    max_lifetime_seconds: int


OWN_ISSUERS_STAMP = (
    " (SELECT string_agg(concat(i.id, i.xmin), '/') FROM tenant_issuer i"
    "  WHERE i.tenant_id = tenant.id),"
)
"""SQL that changes with the tenant's own issuers."""


def active_issuers_of(session: Session, tenant_id: UUID) -> Mapping[UUID, OwnIssuer]:
    """Return the issuers of a tenant that are proven and enabled, by id."""
    rows = session.scalars(
        select(TenantIssuer).where(
            TenantIssuer.tenant_id == tenant_id,
            TenantIssuer.is_enabled,
            TenantIssuer.proven_at.is_not(None),
        )
    )
    return {row.id: to_own_issuer(row) for row in rows}


def to_own_issuer(row: TenantIssuer) -> OwnIssuer:
    """Return what is needed to verify the tokens of an issuer, whatever its state."""
    return OwnIssuer(row.id, row.tenant_id, row.issuer, row.max_lifetime_seconds)
