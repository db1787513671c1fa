"""Routes for people of organisations."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Blueprint
from sqlalchemy.orm import Session

from trially.analysts.schema import OrganisationsSchema
from trially.analytics.schema import DayQuerySchema, SumsSchema
from trially.analytics.sums import Sums, sums_of, today
from trially.auth.organisations.permissions import (
    OrganisationPermission,
    requires_organisation,
)
from trially.auth.organisations.persons import current_person
from trially.http.contract import queries, returns
from trially.http.problems import NotFound
from trially.request_cycle.platform import reading
from trially.tenancy.catalog_sessions import reader_engine

bp = Blueprint("organisations", __name__, url_prefix="/organisations")


@bp.get("")
@requires_organisation(OrganisationPermission.ORGANISATION_READ)
@returns(OrganisationsSchema())
def list_own_organisations() -> dict[str, Any]:
    """List the caller's organisations, with the caller's role in each.

    Other organisations are not shown.
    """
    places = current_person().places.values()
    return {
        "organisations": [
            {"id": each.organisation_id, "name": each.name, "role": each.role} for each in places
        ]
    }


@bp.get("/<uuid:organisation_id>/analytics")
@requires_organisation(OrganisationPermission.ANALYTICS_READ)
@queries(DayQuerySchema())
@returns(SumsSchema())
def show_organisation_analytics(organisation_id: UUID, query: Mapping[str, Any]) -> dict[str, Any]:
    """Show sums over the tenants of an organisation.

    Each tenant rounds its numbers of patients down before it shares them, so a sum is between
    `at_least` and `at_most`. A tenant that leaves is in no sum any more, also not in those of
    earlier days. The answer is 404 for an organisation of which the caller is no person.
    """
    person = current_person()
    if person.place_at(organisation_id, OrganisationPermission.ANALYTICS_READ) is None:
        raise NotFound("There is no such organisation.")
    sums = reading(lambda: _read(organisation_id, query.get("on") or today()))
    return {"organisation_id": organisation_id, **asdict(sums)}


def _read(organisation_id: UUID, day: dt.date) -> Sums:
    with Session(reader_engine()) as session:
        return sums_of(session, organisation_id, day)
