"""Settings and branding of a tenant, and the published branding in the catalog."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import CatalogModel, TenantModel, Timestamped, Versioned
from trially.database.protection import OF_MEMBERS, OF_ORGANISATIONS, Readable, protect
from trially.database.since import since

REVISION = "0035"
"""The migration that creates the tenant's tables."""

PUBLIC = Readable("Everybody may read it, without signing in.")


class TenantSetting(Timestamped, Versioned, TenantModel):
    """What a tenant has set of itself. It has one row at most, whose id is the tenant's.

    The name and the time zone are not here: the catalog has them for every tenant.
    """

    __tablename__ = "tenant_setting"

    locale: Mapped[str | None] = mapped_column(String(35))
    """The language of the web app, as a BCP 47 tag."""
    contact_name: Mapped[str | None] = mapped_column(String(200))
    contact_email: Mapped[str | None] = mapped_column(String(254))
    contact_phone: Mapped[str | None] = mapped_column(String(40))
    audit_retention_years: Mapped[int | None]
    """Audit records are kept for so many full years, if that is longer than the installation says.
    """

    __table_args__ = (
        CheckConstraint("audit_retention_years BETWEEN 1 AND 100", name="audit_retention_years"),
        {"info": since(REVISION)},
    )


class TenantBranding(Timestamped, Versioned, TenantModel):
    """How a web app presents itself to a tenant's members. It has one row at most."""

    __tablename__ = "tenant_branding"

    product_name: Mapped[str | None] = mapped_column(String(80))
    primary_color: Mapped[str | None] = mapped_column(String(7))
    on_primary_color: Mapped[str | None] = mapped_column(String(7))
    accent_color: Mapped[str | None] = mapped_column(String(7))
    logo_digest: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the logo, in hexadecimal."""
    domain: Mapped[str | None] = mapped_column(String(253))
    domain_token: Mapped[str | None] = mapped_column(String(64))
    """What the domain must show, so that it counts as the tenant's."""

    __table_args__ = ({"info": since(REVISION)},)


class TenantLogo(TenantModel):
    """The tenant's logo, encoded again. One row at most, with the tenant's id."""

    __tablename__ = "tenant_logo"

    media_type: Mapped[str] = mapped_column(String(40))
    content: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        {
            "info": since(REVISION) | unaudited("Its digest is in the branding."),
        },
    )


class PublishedBranding(Timestamped, CatalogModel):
    """The public part of a tenant's branding."""

    __tablename__ = "branding"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    document: Mapped[dict[str, Any]]
    """The members of the public document that differ from the default."""


class PublishedLogo(CatalogModel):
    """The public logo of a tenant."""

    __tablename__ = "branding_logo"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(40))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class TenantDomain(CatalogModel):
    """The domain of a tenant, and whether it has been shown to be the tenant's."""

    __tablename__ = "tenant_domain"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    domain: Mapped[str] = mapped_column(String(253))
    checked_at: Mapped[dt.datetime | None]
    verified_at: Mapped[dt.datetime | None]
    """When the proof was last found."""
    expires_at: Mapped[dt.datetime | None]
    """Until when the domain counts as the tenant's. NULL: it does not."""
    failure: Mapped[str | None] = mapped_column(String(20))
    """Why the last check did not find the proof."""

    __table_args__ = (
        Index(
            "uq_tenant_domain_held_domain",
            "domain",
            unique=True,
            postgresql_where=text("expires_at IS NOT NULL"),
        ),
    )


classify(
    TenantSetting,
    {
        REMOVED: "locale",
        identifier("member"): "contact_name contact_email contact_phone",
        Held.NUMBER: "audit_retention_years",
    },
    Copied.NEVER,
)
protect(TenantSetting, {}, OF_MEMBERS)
classify(
    TenantBranding,
    {
        REMOVED: "product_name primary_color on_primary_color accent_color domain",
        Held.DIGEST: "logo_digest",
        Held.SECRET: "domain_token",
    },
    Copied.NEVER,
)
protect(TenantBranding, {PUBLIC: "domain_token"}, PUBLIC)
classify(TenantLogo, {REMOVED: "media_type content"}, Copied.NEVER)
protect(TenantLogo, {}, OF_ORGANISATIONS)
