"""Sums over the tenants of an organisation. They are made of rounded counts alone."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from trially.analytics.measures import VALUES, Measure
from trially.analytics.storing import newest_counts
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.organisations.model import OrganisationTenant

_ORDER = list(Measure)


@dataclass(frozen=True)
class Sum:
    """A number over all tenants of an organisation: the true one is between the two."""

    measure: Measure
    study: str | None
    value: str | None
    at_least: int
    at_most: int


@dataclass(frozen=True)
class Sums:
    """What an organisation sees of one day."""

    day: dt.date
    tenants: int
    """How many tenants are summed up."""
    oldest_count_at: dt.datetime | None
    """When the oldest count among them was made. None without tenants."""
    sums: Sequence[Sum]


def today() -> dt.date:
    """Return the present day in UTC."""
    return dt.datetime.now(dt.UTC).date()


def sums_of(session: Session, organisation_id: UUID, day: dt.date) -> Sums:
    """Return the sums of an organisation, from the newest counts at the end of a day in UTC.

    Only tenants count that had joined by then, still are in the organisation, and are served now:
    the owner of a suspended tenant could not withdraw.
    """
    end = dt.datetime.combine(day, dt.time.min, dt.UTC) + dt.timedelta(days=1)
    tenant_ids = session.scalars(
        select(OrganisationTenant.tenant_id)
        .join(Tenant, Tenant.id == OrganisationTenant.tenant_id)
        .where(
            OrganisationTenant.organisation_id == organisation_id,
            OrganisationTenant.joined_at < end,
            Tenant.status == TenantStatus.ACTIVE,
        )
    ).all()
    rows = newest_counts(session, tenant_ids, until=end)
    least: dict[tuple[str, str, str], int] = defaultdict(int)
    most: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in rows:
        key = (row["measure"], row["study"], row["value"])
        least[key] += row["quantity"]
        most[key] += row["quantity"] + row["step"] - 1
    return Sums(
        day,
        len({row["tenant_id"] for row in rows}),
        min((row["counted_at"] for row in rows), default=None),
        [
            Sum(Measure(measure), study or None, value or None, least[key], most[key])
            for key in sorted(filter(_is_known, least), key=_position)
            for measure, study, value in [key]
        ],
    )


def _is_known(key: tuple[str, str, str]) -> bool:
    """Return whether this version knows the measure and the value: a newer one may write others."""
    measure, _, value = key
    return measure in _ORDER and value in VALUES[Measure(measure)]


def _position(key: tuple[str, str, str]) -> tuple[int, str, int]:
    measure, study, value = key
    return _ORDER.index(Measure(measure)), study, list(VALUES[Measure(measure)]).index(value)
