"""Write a study as a ResearchStudy."""

from collections.abc import Mapping, Sequence

from trially.exports.fhir.elements import ABSENT, Json, Row, date_time, present, reference
from trially.fhir.definitions import OVERALL_STATUS, RECRUITING_STATUS, extension, id_of_version
from trially.recruiting.studies.model import Phase, StudyStatus

STATUSES: Mapping[StudyStatus, str | None] = {
    StudyStatus.NOT_YET_RECRUITING: "approved",
    StudyStatus.RECRUITING: "active",
    StudyStatus.ENROLLING_BY_INVITATION: "active",
    StudyStatus.ACTIVE_NOT_RECRUITING: "closed-to-accrual",
    StudyStatus.SUSPENDED: "temporarily-closed-to-accrual-and-intervention",
    StudyStatus.TERMINATED: "administratively-completed",
    StudyStatus.COMPLETED: "completed",
    StudyStatus.WITHDRAWN: "withdrawn",
    StudyStatus.AVAILABLE: "active",
    StudyStatus.NO_LONGER_AVAILABLE: "closed-to-accrual",
    StudyStatus.TEMPORARILY_NOT_AVAILABLE: "temporarily-closed-to-accrual",
    StudyStatus.APPROVED_FOR_MARKETING: "closed-to-accrual",
    StudyStatus.WITHHELD: None,
    StudyStatus.UNKNOWN: None,
}
"""FHIR's status of a study. None: FHIR has none, so the element says that it is absent."""

_PHASES: Mapping[tuple[Phase, ...], str] = {
    (Phase.EARLY_PHASE_1,): "early-phase-1",
    (Phase.PHASE_1,): "phase-1",
    (Phase.PHASE_1, Phase.PHASE_2): "phase-1-phase-2",
    (Phase.PHASE_2,): "phase-2",
    (Phase.PHASE_2, Phase.PHASE_3): "phase-2-phase-3",
    (Phase.PHASE_3,): "phase-3",
    (Phase.PHASE_4,): "phase-4",
}
_PHASE_SYSTEM = "http://terminology.hl7.org/CodeSystem/research-study-phase"
_NCT_SYSTEM = "http://clinicaltrials.gov"
"""The identifier system of NCT numbers in FHIR."""


def write_study(study: Row, version: int | None, sites: Sequence[str] = ()) -> Json:
    """Return the ResearchStudy of a study.

    `version` is the number of the active version of the protocol, whose criteria are a Group and a
    Library. `sites` are the names of its sites.
    """
    criteria_id = None if version is None else id_of_version(study["id"], version)
    status = STATUSES[StudyStatus(study["status"])]
    resource = present(
        {
            "resourceType": "ResearchStudy",
            "id": str(study["id"]),
            "meta": present({"lastUpdated": date_time(study["updated_at"], "instant")}),
            "extension": [
                extension(OVERALL_STATUS, valueCode=str(study["status"])),
                extension(RECRUITING_STATUS, valueCode=str(study["recruiting_status"])),
            ],
            "identifier": list(_identifiers(study)),
            "title": study["title"],
            "status": status,
            "phase": _phase(study["phases"]),
            "category": [{"text": str(study["study_type"]).replace("_", " ")}],
            "focus": [{"text": each["name"]} for each in study["interventions"]],
            "condition": [{"text": each} for each in study["conditions"]],
            "keyword": [{"text": each} for each in study["keywords"]],
            "relatedArtifact": _artifacts(study, criteria_id),
            "enrollment": [each] if (each := reference("Group", criteria_id)) else [],
            "sponsor": {"display": study["sponsor"]} if study["sponsor"] else None,
            "site": [{"type": "Location", "display": each} for each in sites],
        }
    )
    if status is None:
        resource["_status"] = ABSENT
    return resource


def statuses_of(code: str) -> list[StudyStatus]:
    """Return the statuses of studies that a status of FHIR stands for."""
    return [status for status, written in STATUSES.items() if written == code]


def _identifiers(study: Row) -> list[Json]:
    number: Json = {"type": {"text": "Protocol number"}, "value": study["protocol_number"]}
    if study["nct_id"] is None:
        return [number]
    registered = {"use": "official", "system": _NCT_SYSTEM, "value": study["nct_id"]}
    return [registered, number]


def _phase(phases: Sequence[str]) -> Json | None:
    if not phases:
        return None
    code = _PHASES.get(tuple(sorted(Phase(each) for each in phases)))
    if code is None:
        return {"text": ", ".join(phases)}
    return {"coding": [{"system": _PHASE_SYSTEM, "code": code}]}


def _artifacts(study: Row, criteria_id: str | None) -> list[Json]:
    found: list[Json] = []
    if criteria_id is not None:
        library = f"Library/{criteria_id}"
        found.append({"type": "depends-on", "display": "Criteria", "resource": library})
    if study["nct_id"] is not None:
        url = f"https://clinicaltrials.gov/study/{study['nct_id']}"
        found.append({"type": "documentation", "display": "Registry record", "url": url})
    return found
