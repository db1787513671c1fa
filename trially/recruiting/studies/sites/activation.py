"""How the status of a study's site may change, and the dates that follow from it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from trially.http.problems import validation_failed
from trially.recruiting.studies.sites.model import StudySiteStatus
from trially.tenancy.context import current_tenant


def dates_of(values: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dates that follow from a change, where neither it nor the stored row has them.

    Answers 422 for a status that the site cannot return to.
    """
    status = values.get("status")
    if status == StudySiteStatus.PLANNED and stored.get("opened_on") is not None:
        raise validation_failed(
            [{"pointer": "/status", "detail": "Must not be planned: the site was open before."}]
        )
    derived: dict[str, Any] = {}
    if status == StudySiteStatus.OPEN:
        derived = {"opened_on": stored.get("opened_on") or today(), "closed_on": None}
    elif status == StudySiteStatus.CLOSED:
        derived = {"closed_on": stored.get("closed_on") or today()}
    return {name: value for name, value in derived.items() if name not in values}


def today() -> dt.date:
    """Return today's date in the time zone of the current tenant."""
    return dt.datetime.now(ZoneInfo(current_tenant().time_zone)).date()
