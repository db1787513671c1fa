"""The route that finds studies for a patient of another system."""

from flask import Response, request

from trially.audit.recording import note
from trially.auth.permissions import Permission, requires
from trially.database.session import check_tenant_open, open_transaction
from trially.exports.fhir.elements import Json
from trially.fhir.bundles import write_outcome, write_searchset
from trially.fhir.examples import MATCHES, PATIENT_BODIES
from trially.fhir.patient_matching.charts import chart_of, issues_of
from trially.fhir.patient_matching.matching import StudyMatch, match_studies
from trially.fhir.patient_matching.received import MOST_BYTES, read_received
from trially.fhir.reading_studies import write_studies
from trially.fhir.responses import answer, url_of
from trially.fhir.routes import bp
from trially.http.contract import accepts_stream, answers_in, feature, only_reads
from trially.http.uploads import received_upload
from trially.recruiting.studies.routes import STUDIES
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.studies import MatchedStudy, active_studies
from trially.recruiting.valuesets.library import tenants_terminology
from trially.tenancy.context import current_tenant
from trially.tenancy.entitlements.features import Feature


@bp.post("/getClinicalTrial")
@requires(Permission.STUDIES_READ)
@feature(Feature.FHIR)
@only_reads
@accepts_stream(PATIENT_BODIES)
@answers_in(MATCHES, subjects=())
def find_clinical_trials() -> Response:
    """Find the studies that fit the patient whose resources are the body. Nothing is stored.

    The body is a Bundle or Parameters with one Patient and the patient's records, also as the
    member `patientData`. All studies with an active version are evaluated. The answer is a Bundle
    of ResearchStudies, the best first. `search.score` is 1 for eligible patients, 0 for ineligible
    ones, and between them for others. The extension `match-grade` is `certain`, `certainly-not` or
    `probable`; `criterion-outcome` has the result of each criterion. What was not used of the body
    is in an OperationOutcome. The request is recorded without anything about the patient.
    """
    check_tenant_open()
    with received_upload(request, PATIENT_BODIES, MOST_BYTES) as (file, _):
        received = read_received(file.read())
    moment = moment_of()
    found = chart_of(received, moment, current_tenant().time_zone)
    open_transaction()
    with tenants_terminology() as terminology:
        matches, unknown = match_studies(active_studies(), found.chart, moment, terminology)
    note(resources=len(received.resources), studies=len(matches))
    issues = issues_of(found, sorted(received.preferences))
    issues += [("warning", "not-supported", _not_evaluated(each)) for each in unknown]
    entries = _entries(matches)
    if issues:
        entries.append(write_outcome(issues))
    return answer(write_searchset(entries, total=len(matches)), has_etag=False)


def _entries(matches: list[StudyMatch]) -> list[Json]:
    studies = STUDIES.pick([each.study_id for each in matches]) if matches else {}
    resources = write_studies([studies[each.study_id] for each in matches])
    return [
        {
            "fullUrl": url_of(f"ResearchStudy/{match.study_id}"),
            "resource": resource,
            "search": match.search(),
        }
        for match, resource in zip(matches, resources, strict=True)
    ]


def _not_evaluated(study: MatchedStudy) -> str:
    return (
        f"ResearchStudy/{study.study_id} was not evaluated: codes that its criteria name cannot be"
        " looked up."
    )
