"""The meters: what is counted of each tenant and day, and how a month follows from its days."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trially.tenancy.entitlements.limits import Limit


class Meter(StrEnum):
    """Something that is counted for each day. A name is never given to another meter."""

    PATIENTS = "patients"
    """Records of patients that exist at the end of the day."""

    MATCHES = "matches"
    """Patients of studies whom the criteria do not rule out, at the end of the day."""

    ACTIVE_MEMBERS = "active_members"
    """Members of whom the audit log of the day has a record that is not a refusal."""

    ACTIVE_MEMBERS_OF_MONTH = "active_members_of_month"
    """Members who were active on any day of the month, up to the day."""

    STORAGE_BYTES = "storage_bytes"
    """Bytes of documents at the end of the day, as the limit of this name counts them."""

    REQUESTS = "requests"
    """Requests of members that were answered, except those with an error of the server."""

    DATABASE_MS = "database_ms"
    """Milliseconds that members' requests and jobs have waited for the tenant's database."""

    EGRESS_BYTES = "egress_bytes"
    """Bytes of the bodies of responses to members."""


class Rule(StrEnum):
    """How the quantity of a month follows from those of its days."""

    HIGHEST = "highest"
    SUM = "sum"


class Quality(StrEnum):
    """How sure the quantity of a day is."""

    EXACT = "exact"
    """It was counted within minutes of the end of the day."""

    LATE = "late"
    """It was counted later, from rows that are kept: it is complete."""

    ESTIMATED = "estimated"
    """It was counted later, from rows that may have changed or gone since the end of the day."""

    SAMPLED = "sampled"
    """It is a sum of what processes sent. What a killed process had not sent is missing."""


@dataclass(frozen=True)
class Measure:
    """The unit and the rule of a meter."""

    unit: str
    rule: Rule
    limit: Limit | None = None
    """The limit of the plan that says how much is included."""

    is_sampled: bool = False


MEASURES: Mapping[Meter, Measure] = {
    Meter.PATIENTS: Measure("patients", Rule.HIGHEST, Limit.PATIENTS),
    Meter.MATCHES: Measure("matches", Rule.HIGHEST),
    Meter.ACTIVE_MEMBERS: Measure("members", Rule.HIGHEST),
    Meter.ACTIVE_MEMBERS_OF_MONTH: Measure("members", Rule.HIGHEST, Limit.MEMBERS),
    Meter.STORAGE_BYTES: Measure("bytes", Rule.HIGHEST, Limit.STORAGE_BYTES),
    Meter.REQUESTS: Measure("requests", Rule.SUM, is_sampled=True),
    Meter.DATABASE_MS: Measure("milliseconds", Rule.SUM, is_sampled=True),
    Meter.EGRESS_BYTES: Measure("bytes", Rule.SUM, is_sampled=True),
}
