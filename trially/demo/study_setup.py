"""Set up the studies of a demo tenant, as its people would do it: with requests to the API.

So each study is checked, and recorded in the audit log, like those of other tenants.
"""

from collections.abc import Callable, Mapping

from trially.audit.working import working
from trially.database.session import transaction
from trially.demo.expressions import DemoCriterion
from trially.demo.missing_studies import LABEL, present_studies
from trially.demo.organisations import DemoOrganisation
from trially.demo.owner import Item, Owner
from trially.demo.studies import DemoStudy
from trially.dev_issuer import DevIssuer
from trially.recruiting.protocols.versions.locking import EDITABLE
from trially.recruiting.protocols.versions.model import ReviewState, VersionStatus
from trially.recruiting.studies.team.model import StudyRole
from trially.recruiting.study_matching.model import Trigger
from trially.recruiting.study_matching.moments import moment_of
from trially.recruiting.study_matching.running import latest_run, run_study
from trially.recruiting.study_matching.studies import active_studies
from trially.recruiting.valuesets.library import tenants_terminology
from trially.tenancy.context import tenant_context

TEAM: Mapping[str, StudyRole] = {
    "admin": StudyRole.PRINCIPAL_INVESTIGATOR,
    "coordinator": StudyRole.COORDINATOR,
    "recruiter": StudyRole.RECRUITER,
}
"""The part in a study of the members with a role."""


def set_up_studies(
    organisation: DemoOrganisation, issuer: DevIssuer, report: Callable[[str], None]
) -> None:
    """Create what the tenant lacks of its studies, and compute matches where there are none.

    Repeating it changes nothing, also not what people have changed. An interrupted set-up continues
    with the next start. Raises `RefusedError`.
    """
    with tenant_context(organisation.slug), transaction():
        present = present_studies()
    unfinished = [study for study in organisation.studies if present.lack(study)]
    if unfinished:
        report(f"Setting up the studies of {organisation.slug} …")
        setup = _Setup(organisation, Owner(organisation, issuer))
        for study in unfinished:
            setup.run(study)
    with tenant_context(organisation.slug):
        _compute_matches()


class _Setup:
    """Sets up studies, one after the other. Each step creates only what is missing."""

    def __init__(self, organisation: DemoOrganisation, owner: Owner) -> None:
        self._people, self._owner = organisation.people, owner
        self._sites = {site["name"]: site for site in owner.list("/sites")}
        self._members = {member["subject"]: member["id"] for member in owner.list("/members")}
        self._studies = {study["protocol_number"]: study["id"] for study in owner.list("/studies")}

    def run(self, study: DemoStudy) -> None:
        """Create what the tenant lacks of a study."""
        study_id = self._studies.get(study.protocol_number) or self._create(study)
        path = f"/studies/{study_id}"
        self._add_sites(path, study)
        version = self._version_to_finish(path) if study.criteria else None
        if version is not None:
            self._add_team(path)
            self._activate(f"{path}/versions/{version['number']}", version, study)

    def _create(self, study: DemoStudy) -> str:
        study_id: str = self._owner.send("POST", "/studies", _describe_study(study))["id"]
        status = {"recruiting_status": study.recruiting_status}
        self._owner.send("POST", f"/studies/{study_id}/status", status)
        return study_id

    def _add_sites(self, path: str, study: DemoStudy) -> None:
        present = {each["site_id"] for each in self._owner.list(f"{path}/sites")}
        for each in study.sites:
            site = self._sites[each.site]
            if site["id"] not in present:
                body = {
                    "site_id": site["id"],
                    "status": each.status,
                    "target_enrollment": each.target_enrollment,
                    "investigator": site["investigator"],
                }
                self._owner.send("POST", f"{path}/sites", body)

    def _add_team(self, path: str) -> None:
        present = {each["member_id"] for each in self._owner.list(f"{path}/team")}
        for person in self._people:
            role, member_id = TEAM.get(person.role), self._members.get(person.subject)
            if role is not None and member_id is not None and member_id not in present:
                self._owner.send("POST", f"{path}/team", {"member_id": member_id, "role": role})

    def _version_to_finish(self, path: str) -> Item | None:
        """Return the version of a protocol that is to be activated, or None if there is none."""
        versions = self._owner.list(f"{path}/versions")
        if not versions:
            return self._owner.send("POST", f"{path}/versions", {"label": LABEL})
        begun = (each for each in versions if each["label"] == LABEL)
        return next((each for each in begun if each["status"] in EDITABLE), None)

    def _activate(self, path: str, version: Item, study: DemoStudy) -> None:
        body = {"criteria": [_describe_criterion(each) for each in study.criteria]}
        version |= self._owner.send("PUT", f"{path}/criteria", body, version["etag"])
        if version["status"] == VersionStatus.DRAFT:
            version = self._owner.send("POST", f"{path}/submit", None, version["etag"])
        self._owner.send("POST", f"{path}/activate", None, version["etag"])


def _compute_matches() -> None:
    """Compute the matches of studies that have none, so that the first page shows some.

    The activation of a version asks a worker for it too, which then finds nothing to write.
    """
    with working(), transaction(), tenants_terminology() as terminology:
        for study in active_studies():
            if latest_run(study.study_id) is None:
                run_study(study, moment_of(), terminology, Trigger.ACTIVATION)


def _describe_study(study: DemoStudy) -> Item:
    return {
        "protocol_number": study.protocol_number,
        "title": study.title,
        "sponsor": study.sponsor,
        "phases": [phase.lower().replace("phase", "phase_") for phase in study.phases],
        "study_type": study.study_type.lower(),
        "status": study.overall_status.lower(),
        "conditions": list(study.conditions),
        "target_enrollment": study.target_enrollment,
    }


def _describe_criterion(criterion: DemoCriterion) -> Item:
    return {
        "kind": criterion.kind,
        "statement": criterion.statement,
        "expression": criterion.expression,
        "review_state": ReviewState.REVIEWED,
    }
