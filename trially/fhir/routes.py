"""Routes of studies as FHIR resources."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response

from trially.auth.permissions import Permission, requires
from trially.fhir.bundles import write_match, write_searchset
from trially.fhir.capabilities import write_capabilities
from trially.fhir.examples import CAPABILITIES, GROUP, LIBRARY, REPORT, SEARCHSET, STUDY
from trially.fhir.groups import write_group
from trially.fhir.libraries import write_library
from trially.fhir.reading_studies import (
    has_condition,
    has_status,
    read_version,
    write_studies,
)
from trially.fhir.reports import write_report
from trially.fhir.responses import answer, url_of
from trially.fhir.schema import ResearchStudyQuerySchema
from trially.fhir.studies import statuses_of
from trially.http.codes import Code
from trially.http.contract import answers_in, feature, may_conflict, queries, stores_results
from trially.http.problems import Conflict
from trially.recruiting.criteria.code_sets import UnknownCodesError
from trially.recruiting.protocols.versions.criteria import stored_criteria
from trially.recruiting.studies.routes import STUDIES
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.studies import find_active
from trially.recruiting.valuesets.library import tenants_terminology
from trially.tenancy.entitlements.features import Feature

bp = Blueprint("fhir", __name__, url_prefix="/fhir")


@bp.get("/metadata")
@requires(Permission.STUDIES_READ)
@answers_in(CAPABILITIES, has_etag=True)
def show_capabilities() -> Response:
    """Show what the FHIR routes can do, as a CapabilityStatement.

    Like all routes, it needs a token. It names the resources, parameters and operations.
    """
    return answer(write_capabilities(url_of("").rstrip("/")))


@bp.get("/ResearchStudy")
@requires(Permission.STUDIES_READ)
@feature(Feature.FHIR)
@queries(ResearchStudyQuerySchema())
@answers_in(SEARCHSET)
def search_research_studies(query: dict[str, Any]) -> Response:
    """Search studies, and answer with a Bundle of ResearchStudies, oldest first.

    `status` is FHIR's status, and `condition` a part of the name of a condition. The link `next`
    leads to the next page. Errors are problem details, as of all routes.
    """
    conditions = []
    if "study_status" in query:
        conditions.append(has_status(statuses_of(query["study_status"])))
    if "condition" in query:
        conditions.append(has_condition(query["condition"]))
    page = STUDIES.page(query, conditions)
    resources = write_studies(page["data"])
    asked = {"_count": str(query["limit"])}
    asked |= {
        name: query[key]
        for name, key in (("status", "study_status"), ("condition", "condition"))
        if key in query
    }
    links = [("self", url_of("ResearchStudy", **asked))]
    following = page["page"]["next"]
    if following is not None:
        links.append(("next", url_of("ResearchStudy", **asked, cursor=following)))
    entries = [write_match(each, url_of(f"ResearchStudy/{each['id']}")) for each in resources]
    return answer(write_searchset(entries, links=links), has_etag=False)


@bp.get("/ResearchStudy/<uuid:study_id>")
@requires(Permission.STUDIES_READ)
@feature(Feature.FHIR)
@answers_in(STUDY, has_etag=True)
def show_research_study(study_id: UUID) -> Response:
    """Show a study as a ResearchStudy.

    `enrollment` is the Group of its active version. A status that FHIR lacks is absent; the
    extension `overall-status` has it. A member who is restricted to sites sees those sites alone.
    """
    [resource] = write_studies([STUDIES.get(study_id)])
    return answer(resource)


@bp.get("/Group/<uuid:study_id>-<int:version>")
@requires(Permission.STUDIES_READ)
@feature(Feature.FHIR)
@answers_in(GROUP, has_etag=True)
def show_group(study_id: UUID, version: int) -> Response:
    """Show the criteria of a version of a protocol as a Group, as far as FHIR can say them.

    Each criterion that the Group does not say is an extension `criterion-left-out` with its
    statement and the reason. The Library has all criteria.
    """
    return answer(write_group(*read_version(study_id, version)))


@bp.get("/Library/<uuid:study_id>-<int:version>")
@requires(Permission.STUDIES_READ)
@feature(Feature.FHIR)
@answers_in(LIBRARY, has_etag=True)
def show_library(study_id: UUID, version: int) -> Response:
    """Show all criteria of a version of a protocol as a Library.

    `content` is the JSON of the language of criteria, and `version` its hash.
    """
    return answer(write_library(*read_version(study_id, version)))


@bp.get("/MeasureReport/<uuid:study_id>")
@requires(Permission.MATCHES_COUNT)
@feature(Feature.FHIR)
@may_conflict
@stores_results
@answers_in(REPORT, has_etag=True)
def show_measure_report(study_id: UUID) -> Response:
    """Count the patients of a study by verdict and by criterion, as a MeasureReport.

    The numbers are those of `GET /studies/{study_id}/attrition`, of today. A member who is
    restricted to sites counts their patients. With the PHI level `none`, numbers are rounded, and
    small ones are absent. A study without an active version is answered with 409.
    """
    # numpy is loaded when it is first needed, not at the start.
    from trially.recruiting.matching.setwise import SetWise
    from trially.recruiting.study_matching.counting import count_patients

    STUDIES.get(study_id)
    study = find_active(study_id)
    if study is None:
        raise Conflict(
            "The study has no active version of its protocol.", code=Code.NO_ACTIVE_VERSION
        )
    with tenants_terminology() as terminology:
        try:
            numbers = count_patients(study, SetWise(moment_of(), terminology, study.context))
        except UnknownCodesError as error:
            raise Conflict(f"The study cannot be evaluated. {error}") from error
    criteria = stored_criteria(study.version_id)
    return answer(write_report(study_id, study.version_id, numbers, criteria))
