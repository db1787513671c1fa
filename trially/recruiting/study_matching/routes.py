"""Routes of matches: how many patients fit a study, which ones, and why."""

import datetime as dt
from collections.abc import Collection
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import (
    accepts,
    feature,
    may_conflict,
    only_reads,
    queries,
    returns,
    returns_nothing,
    returns_page,
    stores_results,
)
from trially.http.fields import PageQuerySchema
from trially.http.pages import Page
from trially.jobs.enqueuing import enqueue
from trially.jobs.schema import JobSchema
from trially.recruiting.patients.routes import PATIENTS
from trially.recruiting.studies.routes import STUDIES
from trially.recruiting.study_matching.decisions import decision_id_of, decisions_of
from trially.recruiting.study_matching.explained_schema import (
    MatchExplanationSchema,
    PatientStudiesSchema,
)
from trially.recruiting.study_matching.explaining import Explainer
from trially.recruiting.study_matching.finding import (
    active_version,
    looking_up_codes,
    version_of,
    with_criteria,
)
from trially.recruiting.study_matching.listed import DECISIONS, MATCHES, RUNS
from trially.recruiting.study_matching.model import Trigger
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.refreshing import MATCH
from trially.recruiting.study_matching.schema import (
    SHOWN_OF_PATIENT,
    AttritionQuerySchema,
    AttritionSchema,
    ListedMatchSchema,
    MatchDecisionSchema,
    MatchQuerySchema,
    MatchRunQuerySchema,
    MatchRunSchema,
    PreviewBodySchema,
)
from trially.recruiting.study_matching.shown_numbers import shown_to_all_sites
from trially.recruiting.study_matching.studies import MatchedStudy, active_studies
from trially.recruiting.study_matching.studies_of_patients import studies_of_patient
from trially.recruiting.valuesets.library import tenants_terminology
from trially.tenancy.entitlements.features import Feature
from trially.webhooks.emitting import emit
from trially.webhooks.model import EventType

bp = Blueprint("matches", __name__)


@bp.post("/studies/<uuid:study_id>/versions/<int:version>/preview")
@requires(Permission.MATCHES_COUNT)
@feature(Feature.MATCHING)
@only_reads
@stores_results
@accepts(PreviewBodySchema())
@returns(AttritionSchema())
def preview_version(study_id: UUID, version: int, body: dict[str, Any]) -> Item:
    """Count the patients whom criteria select, and store no match.

    Counts with the criteria of the version or those of the body, without the ones that are
    switched off. Each criterion says what it does in order, and what its absence would change. A
    member who is restricted to sites counts their patients. With the PHI level `none`, numbers are
    rounded, and small ones are null.
    """
    study = version_of(study_id, version)
    if "criteria" in body:
        study = with_criteria(study, body["criteria"])
    return _count(study, body.get("as_of"), body["off"])


@bp.get("/studies/<uuid:study_id>/attrition")
@requires(Permission.MATCHES_COUNT)
@feature(Feature.MATCHING)
@stores_results
@queries(AttritionQuerySchema())
@may_conflict
@returns(AttritionSchema())
def show_attrition(study_id: UUID, query: dict[str, Any]) -> Item:
    """Count the patients whom the active version of a study's protocol selects.

    Each criterion says whom it rules out in order, and what its absence would change.
    """
    return _count(active_version(study_id), query.get("as_of"))


def _count(study: MatchedStudy, as_of: dt.date | None, off: Collection[int] = ()) -> Item:
    """Return how many patients the criteria of a study select."""
    # numpy is loaded when it is first needed, not at the start.
    from trially.recruiting.matching.setwise import SetWise
    from trially.recruiting.study_matching.counting import count_patients

    with looking_up_codes() as terminology:
        sets = SetWise(moment_of(as_of), terminology, study.context)
        return count_patients(study, sets, off)


@bp.get("/studies/<uuid:study_id>/matches")
@requires(Permission.MATCHES_READ)
@feature(Feature.MATCHING)
@queries(MatchQuerySchema())
@returns_page(ListedMatchSchema())
def list_matches(study_id: UUID, query: dict[str, Any]) -> Page:
    """List the matches of a study, the best first.

    Eligible patients come before potential ones, and those with fewer open criteria before others.
    Patients whom up to two criteria rule out are at the end. `decision` is what a person decided,
    whatever the criteria say.
    """
    STUDIES.get(study_id)
    page = MATCHES.page(query, study_id=study_id)
    ids = [item["patient_id"] for item in page["data"]]
    patients, decisions = PATIENTS.pick(ids) if ids else {}, decisions_of(study_id, ids)
    for item in page["data"]:
        patient = patients[item["patient_id"]]
        item["patient"] = {name: patient[name] for name in SHOWN_OF_PATIENT}
        item["decision"] = decisions.get(item["patient_id"])
    return page


@bp.get("/studies/<uuid:study_id>/matches/<uuid:patient_id>")
@requires(Permission.MATCHES_READ)
@feature(Feature.MATCHING)
@may_conflict
@returns(MatchExplanationSchema())
def explain_match(study_id: UUID, patient_id: UUID) -> Item:
    """Explain what a study's active criteria say of a patient, one by one.

    It is computed now. Each result names the records that decide it, or says why it is not known,
    and when time alone may change it. Works for patients without a match too: "why not?".
    """
    PATIENTS.get(patient_id)
    study = active_version(study_id)
    with looking_up_codes() as terminology:
        explainer = Explainer([study], moment_of(), terminology)
        [(_, [explained])] = explainer.explain([patient_id])
    return explained


@bp.get("/patients/<uuid:patient_id>/studies")
@requires(Permission.MATCHES_READ)
@feature(Feature.MATCHING)
@returns(PatientStudiesSchema())
def list_studies_of_patient(patient_id: UUID) -> Item:
    """List the studies with an active version for a patient, the best first.

    It is computed now. Each study has the verdict, and how many criteria are not decided. If the
    patient is potential, `open_criteria` has those that are still open. The records behind this,
    and what would satisfy a criterion, are in `GET /studies/{id}/matches/{patient_id}`. Studies
    whose codes the loaded terminologies lack are in `not_evaluated`.
    """
    PATIENTS.get(patient_id)
    with tenants_terminology() as terminology:
        studies, unknown = studies_of_patient(
            patient_id, active_studies(), moment_of(), terminology
        )
    return {"studies": studies, "not_evaluated": unknown}


@bp.get("/studies/<uuid:study_id>/match-runs")
@requires(Permission.MATCHES_COUNT)
@feature(Feature.MATCHING)
@queries(MatchRunQuerySchema())
@returns_page(MatchRunSchema())
def list_match_runs(study_id: UUID, query: dict[str, Any]) -> Page:
    """List the computations of a study's matches for all patients, newest first.

    `trigger` and `state` narrow the list. Changes of single patients are computed without such a
    run. `counts` are of all sites, so only members who see all of them get them. With the PHI level
    `none`, numbers are rounded, and small ones are null.
    """
    STUDIES.get(study_id)
    page = RUNS.page(query, study_id=study_id)
    for run in page["data"]:
        run["counts"] = shown_to_all_sites(run["counts"])
    return page


@bp.post("/studies/<uuid:study_id>/match-runs")
@requires(Permission.MATCHES_RUN)
@feature(Feature.MATCHING)
@may_conflict
@returns(JobSchema())
def start_match_run(study_id: UUID) -> Item:
    """Ask for the matches of a study to be computed for all patients.

    A worker does it: the answer is its job. Matches follow changes and days by themselves, so this
    is seldom needed.
    """
    active_version(study_id)
    return enqueue(MATCH, {"study_id": str(study_id), "trigger": Trigger.REQUEST})


@bp.get("/studies/<uuid:study_id>/decisions")
@requires(Permission.MATCHES_READ)
@feature(Feature.MATCHING)
@queries(PageQuerySchema())
@returns_page(MatchDecisionSchema())
def list_match_decisions(study_id: UUID, query: dict[str, Any]) -> Page:
    """List the patients whom people include in a study's list, or leave out of it.

    Each has the reason, and says who decided it and when.
    """
    STUDIES.get(study_id)
    return DECISIONS.page(query, study_id=study_id)


@bp.put("/studies/<uuid:study_id>/decisions/<uuid:patient_id>")
@requires(Permission.MATCHES_DECIDE)
@feature(Feature.MATCHING)
@accepts(MatchDecisionSchema())
@returns(MatchDecisionSchema())
def decide_match(study_id: UUID, patient_id: UUID, body: dict[str, Any]) -> Item:
    """Include a patient in a study's list, or exclude the patient, whatever the criteria say.

    The decision stays when matches are computed again. It replaces a former one.
    """
    STUDIES.get(study_id)
    PATIENTS.get(patient_id)
    values = {**body, "decided_by": current_identity().subject}
    former = decision_id_of(study_id, patient_id)
    if former is not None:
        DECISIONS.delete(former, None)
    decision = DECISIONS.create({**values, "study_id": study_id, "patient_id": patient_id})
    emit(EventType.MATCH_DECIDED, study_id=study_id, decision_id=decision["id"])
    return decision


@bp.delete("/studies/<uuid:study_id>/decisions/<uuid:patient_id>")
@requires(Permission.MATCHES_DECIDE)
@feature(Feature.MATCHING)
@returns_nothing
def withdraw_decision(study_id: UUID, patient_id: UUID) -> None:
    """Take back what a person decided about a patient and a study.

    Only the criteria say then whether the patient fits.
    """
    STUDIES.get(study_id)
    PATIENTS.get(patient_id)
    decision_id = decision_id_of(study_id, patient_id)
    if decision_id is None:
        raise DECISIONS.not_found()
    DECISIONS.delete(decision_id, None)
    emit(EventType.MATCH_DECIDED, study_id=study_id, decision_id=decision_id)
