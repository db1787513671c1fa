"""Routes of patients whom another version of a protocol affects."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.placement import current_placement
from trially.database.rows import Item
from trially.http.contract import feature, queries, returns, returns_page, stores_results
from trially.http.pages import Page, make_page, read_cursor
from trially.recruiting.matching.subjects import patients_with
from trially.recruiting.patients.routes import PATIENTS
from trially.recruiting.study_matching.amendments.schema import (
    AffectedPatientQuerySchema,
    AffectedPatientSchema,
    AmendmentCountsSchema,
)
from trially.recruiting.study_matching.finding import looking_up_codes, version_of
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.routes import bp
from trially.recruiting.study_matching.schema import SHOWN_OF_PATIENT
from trially.tenancy.entitlements.features import Feature

if TYPE_CHECKING:
    from trially.recruiting.study_matching.amendments.comparing import Amendment, Changed

_PATH = "/studies/<uuid:study_id>/versions/<int:version>/diff/<int:other_version>"


@bp.get(f"{_PATH}/counts")
@requires(Permission.MATCHES_COUNT)
@feature(Feature.MATCHING)
@stores_results
@returns(AmendmentCountsSchema())
def count_affected_patients(study_id: UUID, version: int, other_version: int) -> Item:
    """Count the patients whose verdict differs between two versions, from the first to the second.

    Both versions are evaluated now, and no match is stored. A member who is restricted to sites
    counts their patients. With the PHI level `none`, numbers are rounded, and small ones are null.
    """
    with _comparing(study_id, version, other_version) as (amendment, day):
        return {"as_of": day, **amendment.counts()}


@bp.get(f"{_PATH}/patients")
@requires(Permission.MATCHES_READ)
@feature(Feature.MATCHING)
@stores_results
@queries(AffectedPatientQuerySchema())
@returns_page(AffectedPatientSchema())
def list_affected_patients(
    study_id: UUID, version: int, other_version: int, query: dict[str, Any]
) -> Page:
    """List the patients whose verdict differs between two versions, with both verdicts.

    `former` and `latter` narrow the list to a verdict by the first or the second version. Both
    versions are evaluated now for each page.
    """
    with _comparing(study_id, version, other_version) as (amendment, _):
        return _page(amendment.select(query.get("former"), query.get("latter")), query)


@contextmanager
def _comparing(
    study_id: UUID, version: int, other_version: int
) -> "Iterator[tuple[Amendment, dt.date]]":
    """Yield the comparison of two versions for the patients of the caller, and its day."""
    # numpy is loaded when it is first needed, not at the start.
    from trially.recruiting.matching.setwise import SetWise
    from trially.recruiting.study_matching.amendments.comparing import compare

    former, latter = version_of(study_id, version), version_of(study_id, other_version)
    with looking_up_codes() as terminology:
        sets = SetWise(moment_of(), terminology, former.context)
        yield compare(former, latter, sets), sets.today


def _page(changed: "Changed", query: dict[str, Any]) -> Page:
    """Return the page that `query` requests, in the order of the patients' ordinals."""
    tenant_id, limit = current_placement().tenant_id, query["limit"]
    [after] = read_cursor(tenant_id, query) or [None]
    ordinals = changed.after(-1 if after is None else int(after), limit + 1)
    page = make_page(
        [{"ordinal": each} for each in ordinals],
        limit,
        tenant_id=tenant_id,
        position=["ordinal"],
        query=query,
    )
    page["data"] = list(_describe(changed, [each["ordinal"] for each in page["data"]]))
    if query.get("total"):
        page["page"]["total"] = changed.patients.bit_count()
    return page


def _describe(changed: "Changed", ordinals: list[int]) -> Iterator[Item]:
    ids = patients_with(ordinals)
    patients = PATIENTS.pick(list(ids.values())) if ids else {}
    for ordinal in ordinals:
        patient = patients.get(ids.get(ordinal, UUID(int=0)))
        if patient is not None:
            former, latter = changed.verdicts(ordinal)
            yield {
                "patient_id": patient["id"],
                "former": former.value,
                "latter": latter.value,
                "patient": {name: patient[name] for name in SHOWN_OF_PATIENT},
            }
