"""Sites."""

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Double, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.classes import REMOVED, choice, classify, identifier, json_of, one_of
from trially.database.model import TenantModel, Timestamped, Versioned
from trially.database.protection import OF_ORGANISATIONS, protect
from trially.database.since import since
from trially.recruiting.custom_fields.model import readable_values
from trially.resources.sorting import by, ignoring_case, index_sorts


class SiteStatus(StrEnum):
    """Whether a site sees patients."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class Site(Timestamped, Versioned, TenantModel):
    """A place where patients are seen."""

    __tablename__ = "site"

    name: Mapped[str] = mapped_column(String(200))
    status: Mapped[SiteStatus] = mapped_column(String(20), server_default=SiteStatus.ACTIVE)
    investigator: Mapped[str | None] = mapped_column(String(200))
    city: Mapped[str | None] = mapped_column(String(100))
    state: Mapped[str | None] = mapped_column(String(100))
    postal_code: Mapped[str | None] = mapped_column(String(20))
    country: Mapped[str | None] = mapped_column(String(100))
    latitude: Mapped[float | None] = mapped_column(Double, info=since("0043"))
    longitude: Mapped[float | None] = mapped_column(Double, info=since("0043"))
    """Degrees (WGS 84), for criteria about distance."""
    custom: Mapped[dict[str, Any]] = readable_values()
    """Values of the tenant's own fields, by name."""

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "name",
            info={"pointer": "/name", "detail": "There is a site of this name already."},
        ),
        CheckConstraint("status IN ('active', 'inactive')", name="status"),
    )


SORTS = index_sorts(Site, {"name": ignoring_case(Site.name), "created_at": by(Site.created_at)})

classify(
    Site,
    {
        identifier("site"): "name",
        choice(SiteStatus): "status",
        REMOVED: "investigator city postal_code latitude longitude",
        one_of("state"): "state",
        one_of("country"): "country",
        json_of("emptied"): "custom",
    },
)
protect(Site, {}, OF_ORGANISATIONS)
