"""The limits that a plan can set."""

from collections.abc import Mapping
from enum import StrEnum

LARGEST = 2**53 - 1
"""The largest limit: numbers in JSON are exact up to here."""


class Limit(StrEnum):
    """Something of which a plan allows a tenant so many. A name is never given to another limit."""

    PATIENTS = "patients"
    """Records of patients. Merged and withdrawn records count until they are deleted."""

    MEMBERS = "members"
    """Members: people and machines."""

    STUDIES = "studies"
    """Studies, whatever their status."""

    STORAGE_BYTES = "storage_bytes"
    """Bytes of the texts of patients' documents, and of the files of studies' documents."""

    IMPORTS_PER_DAY = "imports_per_day"
    """Imports that begin on one day, in UTC. An import that continues or is deleted counts once."""

    API_KEYS = "api_keys"
    """API keys, until they are revoked. An expired one counts until then."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    """Requests per minute."""

    CONCURRENT_REQUESTS = "concurrent_requests"
    """Requests that are answered at the same time."""

    CONCURRENT_JOBS = "concurrent_jobs"
    """Jobs that run at the same time."""


QUOTAS = (
    Limit.PATIENTS,
    Limit.MEMBERS,
    Limit.STUDIES,
    Limit.STORAGE_BYTES,
    Limit.IMPORTS_PER_DAY,
    Limit.API_KEYS,
)
"""The limits that the tenant's database checks, in the transaction that would exceed one."""

KNOWN = "plan:"
"""Begins the setting of each transaction whose tenant's plan is known."""


def quota_setting(limits: Mapping[Limit, int | None]) -> str:
    """Return the value of `trially.quotas`, with which a transaction passes on its quotas.

    A quota that it does not name is unlimited. An empty setting says that nothing is known.
    """
    named = [f" {limit}={most:d}" for limit in QUOTAS if (most := limits.get(limit)) is not None]
    return KNOWN + "".join(named)
