"""The catalog's tables of organisations. They hold no PHI: counts, and ids of no person."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from trially.database.model import CatalogModel, Timestamped


class OrganisationRole(StrEnum):
    """What a person may do in an organisation; `auth/organisations/permissions.py` says it."""

    ANALYST = "analyst"


class About(StrEnum):
    """What counts are about."""

    PATIENTS = "patients"
    """They are rounded, and renewed only after many patients have changed."""
    WORK = "work"
    """Studies and imports, which are no persons: exact numbers."""


MEASURES = (
    *("patients", "patients_by_sex", "patients_by_age", "patients_with_records", "matches"),
    *("active_studies", "active_studies_by_phase", "newest_import"),
)
VALUES = (
    *("", "female", "male"),
    *("0_17", "18_34", "35_49", "50_64", "65_79", "80_or_older"),
    *("eligible", "potential"),
    *("early_phase_1", "phase_1", "phase_2", "phase_3", "phase_4", "none"),
    *("within_1_day", "within_7_days", "within_30_days", "older", "never"),
)
"""All texts that a count may have, besides NCT ids. `analytics/measures.py` gives them a meaning.

PostgreSQL refuses others, so that no text of a tenant gets into the catalog.
"""


def _listed(values: Sequence[str]) -> str:
    return ", ".join(f"'{each}'" for each in values)


class Organisation(Timestamped, CatalogModel):
    """A group of tenants, whose people may see sums over these tenants."""

    __tablename__ = "organisation"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    short_name: Mapped[str] = mapped_column(String(40), unique=True)
    """The name in commands and paths. It has the form of a slug, and is no tenant's."""
    name: Mapped[str] = mapped_column(String(200))


class OrganisationTenant(CatalogModel):
    """A tenant that was invited to an organisation, or has joined it.

    The row is deleted when the tenant leaves. So a consent, which names the invitation, counts for
    one stay: after that, an operator has to invite the tenant again.
    """

    __tablename__ = "organisation_tenant"

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisation.id", ondelete="CASCADE"), primary_key=True
    )
    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    invitation_id: Mapped[UUID] = mapped_column(default=uuid7, unique=True)
    invited_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    joined_at: Mapped[dt.datetime | None]
    """When a worker has found the owner's consent in the tenant's database. NULL: not yet."""


class OrganisationPerson(Timestamped, CatalogModel):
    """A person who may see the sums of an organisation. Commands write it, and the API never does.

    The person may be a member of tenants too: that is said in each tenant's own database.
    """

    __tablename__ = "organisation_person"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisation.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[OrganisationRole] = mapped_column(String(20))


class SharedCount(CatalogModel):
    """A count that a tenant shares. It was rounded in the tenant's own transaction."""

    __tablename__ = "shared_count"

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True
    )
    about: Mapped[About] = mapped_column(String(10), primary_key=True)
    counted_at: Mapped[dt.datetime] = mapped_column(primary_key=True)
    """When all counts of the tenant that are about the same were made."""
    measure: Mapped[str] = mapped_column(String(30), primary_key=True)
    study: Mapped[str] = mapped_column(String(11), primary_key=True, server_default=text("''"))
    """The NCT id, or empty."""
    value: Mapped[str] = mapped_column(String(20), primary_key=True, server_default=text("''"))
    """The value of the measure's dimension, from a closed list, or empty."""
    quantity: Mapped[int] = mapped_column(BigInteger)
    """A multiple of `step`. The true number is at least that, and less than that and `step`."""
    step: Mapped[int]

    __table_args__ = (
        CheckConstraint("about IN ('patients', 'work')", name="about"),
        CheckConstraint(f"measure IN ({_listed(MEASURES)})", name="measure"),
        CheckConstraint("study ~ '^(NCT[0-9]{8})?$'", name="study"),
        CheckConstraint(f"value IN ({_listed(VALUES)})", name="value"),
        CheckConstraint("quantity >= 0 AND quantity % step = 0", name="quantity"),
        CheckConstraint("step >= 11 OR (about = 'work' AND step = 1)", name="step"),
    )
