"""One example of each resource. Tests that enumerate resources or routes take it from here.

They are the tests of every route, level, version and merge patch, the fuzz tests, the search for
PHI, and the tests of `prove`. A resource without an example fails with `MISSING`.
"""

import datetime as dt
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, insert, update
from werkzeug.routing import Rule

from trially.analytics.sharing.consents import write_consent
from trially.api import routes_only
from trially.auditing.alerts.model import AuditAlert
from trially.auditing.alerts.rules import RuleName
from trially.auth.members.managing import add_member
from trially.auth.members.provisioning.model import ScimGroup, ScimUser
from trially.auth.roles import PhiLevel, Role
from trially.database.changes import is_about_patients
from trially.database.rows import insert_item, table_of, update_item
from trially.database.session import db, transaction
from trially.http.contract import JSON_TYPE, Contract, contract_of
from trially.http.fields import EXAMPLE
from trially.jobs.model import Job
from trially.recruiting.custom_fields.model import CustomField
from trially.recruiting.documents.model import Document, DocumentPage
from trially.recruiting.documents.words import to_vector
from trially.recruiting.study_matching.model import Match, MatchRun
from trially.recruiting.valuesets.model import ValueSet
from trially.resources.resource import RESOURCES, Resource
from trially.scim.problems import SCIM_TYPE
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.organisations.managing import create_organisation, invite_tenant
from trially.tenancy.organisations.model import OrganisationTenant
from trially.tenancy.own_issuers import TenantIssuer

if TYPE_CHECKING:
    from members import Member
    from werkzeug.test import TestResponse

Ids = Mapping[str, str]
"""Ids of existing rows, by the arguments of routes: `patient_id`, `site_id`, …"""

Body = dict[str, Any]

NDJSON = "application/ndjson"
SCIM_CORE = "urn:ietf:params:scim:schemas:core:2.0"
SCIM_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MISSING = (
    "The resource {name!r} has no example. Add to EXAMPLES in tests/examples.py:"
    ' "{name}": Example("/path", body=lambda ids, word: {{…}}, change={{…}})'
)


@dataclass(frozen=True)
class Example:
    """Where a resource is, and valid requests for it.

    `path` is that of its list. `body` returns a valid body, given the ids of rows that were created
    before, in the order of EXAMPLES, and a word that is different each time: put the word into
    every unique field and into free text. `change` is a valid merge patch of fields that members
    with the PHI level `limited` may change. `upload` and `query` are for imports alone. `insert`
    writes a row that the API shows by its id and does not create. Other resources that the API does
    not create have none of them.
    """

    path: str
    body: Callable[[Ids, str], Body] | None = None
    change: Body = field(default_factory=dict)
    upload: Callable[[str], bytes] | None = None
    query: str = ""
    insert: Callable[["Member", Ids, str], str] | None = None
    another_version: Body = field(default_factory=dict)
    """A merge patch that gives a row a second version, for the list of its versions."""

    @property
    def can_be_created(self) -> bool:
        return self.can_be_posted or self.insert is not None

    @property
    def can_be_posted(self) -> bool:
        return self.body is not None or self.upload is not None

    def create(self, member: "Member", ids: Ids, word: str, **changes: Any) -> str:
        """Create a row as a member, and return its id."""
        if self.insert is not None:
            return self.insert(member, ids, word)
        if self.upload is not None:
            for earlier in range(2):  # records that the next upload lacks
                other = self.upload(f"{word} {earlier}")
                member.post(self.path + self.query, data=other, content_type=NDJSON)
            data = self.upload(word)
            answer = member.post(self.path + self.query, data=data, content_type=NDJSON)
        else:
            assert self.body is not None
            path = self.path.format(**ids)
            answer = member.post(path, json={**self.body(ids, word), **changes})
        assert answer.status_code == 201, (self.path, answer.text)
        return str(answer.json["id"])


def _bad_lines(word: str) -> bytes:
    """Return two records that are refused, and one that waits for its patient."""
    waiting_id = word.replace(" ", "-")
    fact = {
        "resourceType": "Condition",
        "id": waiting_id,
        "subject": {"reference": f"Patient/{waiting_id}"},
        "code": {"text": word},
    }
    refused = {**fact, "id": f"{waiting_id}-bad", "modifierExtension": [{"url": "urn:x"}]}
    lines = (refused, refused, fact)
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _make_duplicates(member: "Member", ids: Ids, word: str) -> str:
    """Create two patients who may be the same person, and return the id of the pair."""
    body = EXAMPLES["patient"].body
    assert body is not None
    patients = {
        member.post("/patients", json={**body(ids, word), "mrn": new_word(word)}).json["id"]
        for _ in range(2)
    }
    listed = member.get("/possible-duplicates?limit=200").json["data"]
    return next(
        str(pair["id"])
        for pair in listed
        if {pair["patient_id"], pair["other_patient_id"]} == patients
    )


def _insert_document(member: "Member", ids: Ids, word: str) -> str:
    """Insert a document of a patient with one page, and return its id."""
    document_id = uuid4()
    document = {
        "id": document_id,
        "tenant_id": member.tenant.id,
        "patient_id": UUID(ids["patient_id"]),
        "source": "fhir",
        "source_type": "DocumentReference",
        "source_id": str(document_id),
        "page_count": 1,
        "search": to_vector([word]),
        "content_hash": b"-",
        **dict.fromkeys(("title", "author", "type_display"), word),
    }
    page = {
        "id": uuid4(),
        "tenant_id": member.tenant.id,
        "document_id": document_id,
        "number": 1,
        "content": word,
        "search": to_vector([word]),
    }
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        db.session.execute(insert(Document).values(document))
        db.session.execute(insert(DocumentPage).values(page))
    return str(document_id)


def _add_study_site(member: "Member", ids: Ids, word: str) -> str:
    """Add a site to the study, and return the id of their row."""
    body = {"site_id": ids["site_id"], "investigator": word}
    return _created(member.post(f"/studies/{ids['study_id']}/sites", json=body))["id"]


def _add_team_member(member: "Member", ids: Ids, word: str) -> str:
    """Add the caller to the team of the study, and return the id of their row."""
    body = {"member_id": member.get("/me").json["id"], "role": "coordinator"}
    return _created(member.post(f"/studies/{ids['study_id']}/team", json=body))["id"]


def _upload_document(member: "Member", ids: Ids, word: str) -> str:
    """Upload a text as a document of the study, and return its id."""
    path, query = f"/studies/{ids['study_id']}/documents", {"title": word}
    options = {"data": word, "content_type": "text/plain", "query_string": query}
    return _created(member.post(path, **options))["id"]


def _add_version(member: "Member", ids: Ids, word: str) -> str:
    """Add a version of the study's protocol, and return its number."""
    body = {"label": word}
    return str(_created(member.post(f"/studies/{ids['study_id']}/versions", json=body))["number"])


def _propose(member: "Member", ids: Ids, word: str) -> str:
    """Let the rules propose a criterion for the draft, and return the proposal's id."""
    version = ids.get("version", ids["protocol_version_id"])
    path = f"/studies/{ids['study_id']}/versions/{version}/proposals"
    answer = member.post(path, json={"text": f"Inclusion Criteria:\n* {word}"})
    assert answer.status_code == 200, answer.text
    return str(member.get(f"{path}?limit=200").json["data"][-1]["id"])


def _insert_match(member: "Member", ids: Ids) -> None:
    """Insert a match of the study."""
    match = {
        **_of_study(ids),
        "verdict": "potential",
        "unknowns": 1,
        "rank": 1,
        "score": 100,
        "met": 0,
        "not_met": 0,
        "patient_id": UUID(ids["patient_id"]),
    }
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        insert_item(Match, match, ("id",))


def _insert_run(member: "Member", ids: Ids) -> None:
    """Insert a run of the study's matches."""
    run = {**_of_study(ids), "as_of": dt.date(2026, 1, 1), "trigger": "request"}
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        insert_item(MatchRun, run, ("id",))


def _of_study(ids: Ids) -> Body:
    return {"study_id": UUID(ids["study_id"]), "protocol_version_id": uuid4()}


def _decide(member: "Member", ids: Ids, word: str) -> str:
    """Leave the patient out of the study's list, and return the id of the decision."""
    path = f"/studies/{ids['study_id']}/decisions/{ids['patient_id']}"
    decided = member.request("PUT", path, json={"decision": "excluded", "reason": word})
    assert decided.status_code == 200, decided.text
    return str(decided.json["id"])


def add_more_to_study(member: "Member", ids: Ids, word: str) -> None:
    """Add a second site, member, document and version to the study, and its matches."""
    path, site = f"/studies/{ids['study_id']}", EXAMPLES["site"].create(member, ids, new_word(word))
    _created(member.post(f"{path}/sites", json={"site_id": site}))
    own = member.get("/me").json["id"]
    others = [one["id"] for one in member.get("/members").json["data"] if one["id"] != own]
    _created(member.post(f"{path}/team", json={"member_id": others[0], "role": "monitor"}))
    _upload_document(member, ids, new_word(word))
    _propose(member, ids, new_word(word))
    _add_version(member, ids, new_word(word))
    for patient in (ids["patient_id"], EXAMPLES["patient"].create(member, ids, new_word(word))):
        of_patient = {**ids, "patient_id": patient}
        _insert_match(member, of_patient)
        _insert_run(member, ids)
        _decide(member, of_patient, new_word(word))


def _created(answer: "TestResponse") -> Body:
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def _insert_alert(member: "Member", _: Ids, word: str) -> str:
    """Insert an alert about an operator, and return its id."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        now = dt.datetime.now(dt.UTC)
        values = {
            "rule": RuleName.SUPPORT_ACCESS,
            "operator": word,
            "since": now,
            "until": now,
            "count": 1,
            "threshold": 0,
            "record_id": uuid4(),
        }
        return str(insert_item(AuditAlert, values, ("id",))["id"])


def _insert_member(member: "Member", ids: Ids, word: str) -> str:
    """Add a member whom other members of the site may change, and return its id."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)):
        added = add_member(
            word.replace(" ", "-"),
            Role.VIEWER,
            phi_level=PhiLevel.NONE,
            site_ids=[UUID(ids["site_id"])],
        )
    return str(added["id"])


def _create_webhook(member: "Member", _: Ids, word: str) -> str:
    """Create an endpoint, and return its id. A tenant has few, so no test creates many."""
    return str(_created(member.post("/webhooks", json={**_WEBHOOK, "description": word}))["id"])


_WEBHOOK = {"url": "https://hooks.example/", "event_types": ["import.finished"]}


def _test_webhook(member: "Member", ids: Ids, word: str) -> str:
    """Send two tests to the endpoint, and return the id of the second delivery."""
    member.post(f"/webhooks/{ids['webhook_id']}/test")
    answer = member.post(f"/webhooks/{ids['webhook_id']}/test")
    assert answer.status_code == 200, answer.text
    return str(answer.json["id"])


def _insert_custom_field(member: "Member", _: Ids, word: str) -> str:
    """Insert a custom field, and return its id. A tenant has few, so no test posts many."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        values = {
            **dict.fromkeys(("label", "description"), word),
            "resource": "study",
            "name": f"field_{uuid4().hex}",
            "type": "text",
            "phi": "none",
        }
        return str(insert_item(CustomField, values, ("id",))["id"])


def _insert_job(member: "Member", _: Ids, word: str) -> str:
    """Insert a job that waits, of a kind that no worker runs, and return its id."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        values = {"kind": "example", "parameters": {}, "operator": word}
        return str(insert_item(Job, values, ("id",))["id"])


def _insert_export(member: "Member") -> str:
    """Insert the job of an export that has failed, and return its id."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        values = {"kind": "export", "parameters": {"parts": ["csv"]}, "operator": "operator"}
        ended = {"state": "failed", "ended_at": dt.datetime.now(dt.UTC)}
        return str(insert_item(Job, values | ended, ("id",))["id"])


def _erase_another(member: "Member", ids: Ids, word: str) -> str:
    """Erase a patient of the same site, and return the id of the tombstone."""
    patient_id = EXAMPLES["patient"].create(member, ids, new_word())
    erased = member.post(f"/patients/{patient_id}/erasure", json={"reason": "request"})
    assert erased.status_code == 200, erased.text
    return str(erased.json["id"])


def _insert_scim_user(member: "Member", _: Ids, word: str) -> str:
    """Insert a user of an identity provider, and return its id."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        values = {
            **dict.fromkeys(("user_name", "user_name_key", "external_id", "display_name"), word),
            "details": {"displayName": word},
            "email_keys": [],
        }
        return str(insert_item(ScimUser, values, ("id",))["id"])


def _insert_scim_group(member: "Member", _: Ids, word: str) -> str:
    """Insert a group of an identity provider, and return its id."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        values = dict.fromkeys(("display_name", "display_name_key", "external_id"), word)
        return str(insert_item(ScimGroup, values, ("id",))["id"])


EXAMPLES: Mapping[str, Example] = {
    "custom_field": Example(
        "/custom-fields",
        body=lambda _, word: {
            **dict.fromkeys(("label", "description"), word),
            "resource": "study",
            "name": f"field_{uuid4().hex}",
            "type": "text",
        },
        insert=_insert_custom_field,
        change={"description": "Another"},
    ),
    "site": Example(
        "/sites",
        body=lambda _, word: {"name": word, "city": word, "investigator": word},
        change={"city": "Bern"},
    ),
    "source": Example(
        "/sources",
        body=lambda _, word: {"name": word, "mrn_system": word, "time_zone": "Europe/Berlin"},
        change={"time_zone": "America/New_York"},
    ),
    "study": Example(
        "/studies",
        body=lambda _, word: {"protocol_number": word, "title": word, "sponsor": word},
        change={"sponsor": "Another"},
    ),
    "study_site": Example(
        "/studies/{study_id}/sites", insert=_add_study_site, change={"target_enrollment": 12}
    ),
    "team_member": Example(
        "/studies/{study_id}/team", insert=_add_team_member, change={"role": "monitor"}
    ),
    "study_document": Example("/studies/{study_id}/documents", insert=_upload_document),
    "protocol_version": Example(
        "/studies/{study_id}/versions", insert=_add_version, change={"label": "Another"}
    ),
    "criterion_proposal": Example(
        "/studies/{study_id}/versions/{protocol_version_id}/proposals", insert=_propose
    ),
    "value_set": Example(
        "/valuesets",
        body=lambda _, word: {
            "key": word.replace(" ", "-").lower(),
            "name": word,
            "compose": {"include": [{"icd10_prefix": ["E11"]}, {"valueset": "obesity"}]},
        },
        change={"description": "Type 2 only"},
        another_version={"compose": {"include": [{"icd10_prefix": ["E11", "E13"]}]}},
    ),
    "value_set_version": Example("/valuesets/{value_set_id}/versions"),
    "patient": Example(
        "/patients",
        body=lambda ids, word: {
            **dict.fromkeys(("mrn", "given_name", "family_name", "email"), word),
            "address": {"line": word, "city": word},
            "birth_date": "1961-07-23",
            "sex": "female",
            "site_id": ids["site_id"],
        },
        change={"contact_preference": "no_sms"},
    ),
    "match": Example("/studies/{study_id}/matches"),
    "match_run": Example("/studies/{study_id}/match-runs"),
    "match_decision": Example("/studies/{study_id}/decisions"),
    "erasure": Example("/erasures", insert=_erase_another),
    "import": Example("/imports", upload=_bad_lines, query="?source=clinic&complete=true"),
    "import_fault": Example("/imports/{import_id}/errors"),
    "missing_record": Example("/imports/{import_id}/missing"),
    "waiting_fact": Example("/imports/waiting"),
    "record": Example("/patients/{patient_id}/records"),
    "event": Example("/patients/{patient_id}/timeline"),
    "document": Example("/patients/{patient_id}/documents", insert=_insert_document),
    "found_document": Example("/patients/{patient_id}/documents"),
    "member": Example("/members", insert=_insert_member, change={"display_name": "Another"}),
    "api_key": Example(
        "/api-keys",
        body=lambda _, word: {
            "name": word,
            "scopes": ["sites:read"],
            "phi_level": "none",
            "valid_days": 30,
        },
    ),
    "invitation": Example(
        "/invitations",
        body=lambda ids, word: {
            "subject": word.replace(" ", "-"),
            "role": "viewer",
            "phi_level": "none",
            "site_ids": [ids["site_id"]],
        },
    ),
    "scim_user": Example("/provisioning/users", insert=_insert_scim_user),
    "scim_group": Example("/provisioning/groups", insert=_insert_scim_group),
    "webhook": Example("/webhooks", insert=_create_webhook, change={"description": "Another"}),
    "delivery": Example("/webhooks/{webhook_id}/deliveries", insert=_test_webhook),
    "job": Example("/jobs", insert=_insert_job),
    "name": Example("/patients/{patient_id}/names"),
    "audit_alert": Example("/audit/alerts", insert=_insert_alert, change={"is_acknowledged": True}),
    "possible_duplicate": Example(
        "/possible-duplicates", insert=_make_duplicates, change={"state": "dismissed"}
    ),
}


def _another_patient(member: "Member", ids: Ids) -> Body:
    """Return the arguments of a merge into another patient of the same site."""
    return {"into": EXAMPLES["patient"].create(member, ids, new_word())}


def _corrected_patient(member: "Member", ids: Ids) -> Body:
    """Return the arguments that name a corrected field of an imported patient of the site."""
    source = new_word("source").replace(" ", "-")
    _import_patient(member, source, "1")
    [patient] = member.get(f"/patients?source={source}").json["data"]
    changed = member.patch(
        f"/patients/{patient['id']}", json={"sex": "female", "site_id": ids["site_id"]}
    )
    assert changed.status_code == 200, changed.text
    return {"patient_id": patient["id"]}


def _full_export(member: "Member", ids: Ids) -> Body:
    """Return the id of a full export that lacks a patient of its source."""
    source = new_word("source").replace(" ", "-")
    _import_patient(member, source, "1")
    return {"import_id": _import_patient(member, source, "2", "&complete=true")}


def _import_patient(member: "Member", source: str, patient: str, query: str = "") -> str:
    """Import a patient of a source, and return the id of the import."""
    upload = json.dumps({"resourceType": "Patient", "id": patient, "gender": "male"})
    path = f"/imports?source={source}{query}"
    answer = member.post(path, data=upload, content_type=NDJSON)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def _end_exports(member: "Member", _: Ids) -> Body:
    """End the exports that wait, because one waits at a time."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        db.session.execute(
            update(Job).where(Job.kind == "export").values(state="cancelled", ended_at=func.now())
        )
    return {}


def _new_patient(member: "Member", ids: Ids) -> Body:
    """Return the id of a patient of the same site whom nothing else needs."""
    return {"patient_id": EXAMPLES["patient"].create(member, ids, new_word())}


def _outdated_value_set(member: "Member", ids: Ids) -> Body:
    """Return the id of a value set whose expansion is not what it would be now."""
    value_set_id = EXAMPLES["value_set"].create(member, ids, new_word())
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        update_item(ValueSet, UUID(value_set_id), {"gaps": ["Outdated."]}, ("id",))
    return {"value_set_id": value_set_id}


def _held_patient(member: "Member", ids: Ids) -> Body:
    """Return the id of a patient who is under a legal hold."""
    found = _new_patient(member, ids)
    path = f"/patients/{found['patient_id']}/legal-hold"
    held = member.request("PUT", path, json={"reason": "Litigation"})
    assert held.status_code == 200, held.text
    return found


def _study_without_sites(member: "Member", ids: Ids) -> Body:
    """Return the id of a study that has no site and no team."""
    return {"study_id": EXAMPLES["study"].create(member, ids, new_word())}


def _draft(member: "Member", ids: Ids) -> Body:
    """Return the number of a draft of the study's protocol."""
    return {"version": _add_version(member, ids, new_word())}


def _proposal_of_draft(member: "Member", ids: Ids) -> Body:
    """Return the number of a new draft, and the id of its proposal."""
    version = _draft(member, ids)
    return {
        **version,
        "criterion_proposal_id": _propose(member, {**ids, **version}, new_word()),
    }


def _version_in_review(member: "Member", ids: Ids) -> Body:
    """Return the number of a version in review that is ready for its activation."""
    version = _draft(member, ids)["version"]
    path = f"/studies/{ids['study_id']}/versions/{version}"
    criteria = [
        {
            "kind": "inclusion",
            "statement": "Adults",
            "expression": {"age": {"gte": 18, "unit": "a"}},
            "review_state": "reviewed",
        }
    ]
    anything = {"If-Match": "*"}
    written = member.request(
        "PUT", f"{path}/criteria", json={"criteria": criteria}, headers=anything
    )
    assert written.status_code == 200, written.text
    submitted = member.post(f"{path}/submit", headers=anything)
    assert submitted.status_code == 200, submitted.text
    return {"version": version}


def _matched_study(member: "Member", ids: Ids) -> Body:
    """Return the id of a study with an active version of its protocol, and the patient's."""
    study = {**ids, **_study_without_sites(member, ids)}
    version = _version_in_review(member, study)["version"]
    path = f"/studies/{study['study_id']}/versions/{version}/activate"
    activated = member.post(path, headers={"If-Match": "*"})
    assert activated.status_code == 200, activated.text
    return {"study_id": study["study_id"], "patient_id": ids["patient_id"]}


def _amended_study(member: "Member", ids: Ids) -> Body:
    """Return a study and two versions of its protocol that judge all patients differently."""
    study = {**ids, **_study_without_sites(member, ids)}
    former, latter = (_add_version(member, study, new_word()) for _ in range(2))
    criterion = {"kind": "inclusion", "statement": "Dead", "expression": {"deceased": True}}
    written = member.request(
        "PUT",
        f"/studies/{study['study_id']}/versions/{latter}/criteria",
        json={"criteria": [criterion]},
        headers={"If-Match": "*"},
    )
    assert written.status_code == 200, written.text
    return {"study_id": study["study_id"], "version": former, "other_version": latter}


def _imported_study(member: "Member", ids: Ids) -> Body:
    """Return the id of a study that was imported from its registry."""
    study = _study_of_registry(new_word())
    imported = member.post("/studies/import", data=study, content_type=JSON_TYPE)
    assert imported.status_code == 200, imported.text
    return {"study_id": imported.json["studies"][0]["study_id"]}


def _chosen_domain(member: "Member", _: Ids) -> Body:
    """Choose a domain, which names nothing."""
    chosen = member.patch("/settings/branding", json={"domain": f"d{next(_numbers)}.org"})
    assert chosen.status_code == 200, chosen.text
    return {}


def _inviting_organisation(member: "Member", _: Ids) -> Body:
    """Make an organisation that has invited the member's tenant."""
    with member.app.app_context():
        return {"organisation_id": str(_invite(member).organisation_id)}


def _joined_organisation(member: "Member", _: Ids) -> Body:
    """Make an organisation with which the tenant's owner has consented to share counts."""
    with member.app.app_context(), tenant_context(str(member.tenant.id)), transaction():
        stay = _invite(member)
        write_consent(stay.invitation_id, stay.organisation_id, uuid4())
        return {"organisation_id": str(stay.organisation_id)}


def _invite(member: "Member") -> OrganisationTenant:
    short_name = f"inviting-{next(_numbers)}"
    create_organisation(short_name, short_name)
    return invite_tenant(short_name, member.tenant.id)


def _register_issuer(member: "Member") -> str:
    """Register an issuer of the tenant's own that does not exist, and return its id.

    A tenant has few, and only owners may register them, so the row is inserted.
    """
    issuer_id = uuid4()
    with member.app.app_context(), catalog_transaction() as session:
        session.add(
            TenantIssuer(
                id=issuer_id,
                tenant_id=member.tenant.id,
                issuer=f"http://127.0.0.1:1/{issuer_id}",
                max_lifetime_seconds=3600,
            )
        )
    return str(issuer_id)


def _one_issuer(member: "Member", ids: Ids) -> Body:
    """Remove the tenant's issuers but for the one in `ids`: a tenant has few."""
    with member.app.app_context(), catalog_transaction() as session:
        others = TenantIssuer.id != UUID(ids["issuer_id"])
        session.execute(
            delete(TenantIssuer).where(TenantIssuer.tenant_id == member.tenant.id, others)
        )
    return {}


NEEDS_A_REAL_ISSUER = "issuers.prove_issuer"
"""It takes a token of an issuer that serves its keys, as in tests/auth/own_issuers."""

PREPARED: Mapping[str, Callable[["Member", Ids], Body]] = {
    "criterion_proposals.accept_proposal": _proposal_of_draft,
    "criterion_proposals.propose_criteria": _draft,
    "criterion_proposals.reject_proposal": _proposal_of_draft,
    "exports.create_export": _end_exports,
    "fhir.show_measure_report": _matched_study,
    "matches.count_affected_patients": _amended_study,
    "matches.explain_match": _matched_study,
    "matches.list_affected_patients": _amended_study,
    "matches.show_attrition": _matched_study,
    "matches.start_match_run": _matched_study,
    "matches.withdraw_decision": lambda member, ids: {
        "patient_id": ids["patient_id"],
        "decision_id": _decide(member, ids, new_word()),
    },
    "protocol_versions.activate_version": _version_in_review,
    "protocol_versions.reopen_version": _version_in_review,
    "protocol_versions.submit_version": _draft,
    "studies.create_study_site": _study_without_sites,
    "studies.create_team_member": _study_without_sites,
    "studies.show_registry_record": _imported_study,
    "settings.verify_domain": _chosen_domain,
    "issuers.register_issuer": _one_issuer,
    **dict.fromkeys(
        ("issuers.test_issuer", "issuers.prove_issuer", "issuers.remove_issuer"),
        lambda member, _: {"issuer_id": _register_issuer(member)},
    ),
    "sharing.join_organisation": _inviting_organisation,
    "sharing.leave_organisation": _joined_organisation,
    "jobs.cancel_job": lambda member, ids: {"job_id": _insert_job(member, ids, new_word())},
    "imports.withdraw_missing_records": _full_export,
    "erasures.erase_patient": _new_patient,
    "erasures.hold_patient": _new_patient,
    "patients.merge_patient": _another_patient,
    "valuesets.expand_value_set": _outdated_value_set,
    "erasures.release_hold": _held_patient,
    "erasures.show_hold": _held_patient,
    "patients.release_correction": _corrected_patient,
}
"""Routes that need rows in a certain state: each creates them and returns what names them."""

BODIES: Mapping[str, Callable[[Ids], Body]] = {
    "alerts.change_alert_rule": lambda _: {"threshold": 400},
    "criterion_proposals.propose_criteria": lambda _: {"text": "Inclusion Criteria:\n* Adults"},
    "erasures.erase_patient": lambda _: {"reason": "request"},
    "erasures.hold_patient": lambda _: {"reason": "Litigation 2026-114"},
    "issuers.change_issuer": lambda _: {"name": "Another"},
    "issuers.prove_issuer": lambda _: {"token": "a.b.c"},
    "issuers.register_issuer": lambda _: {"issuer": f"https://{uuid4()}.example"},
    "matches.decide_match": lambda _: {"decision": "included", "reason": "Referred"},
    "patients.merge_patient": lambda ids: {"into": ids["into"]},
    "settings.change_tenant_branding": lambda _: {"product_name": "Heartland Trials"},
    "provisioning.map_provisioned_group": lambda _: {"priority": 5},
    "settings.change_tenant_settings": lambda _: {"locale": "en-GB"},
    "provisioning.change_provisioning": lambda _: {"linked_by": "external_id"},
    "protocol_versions.change_version": lambda _: {"label": "Another"},
    "protocol_versions.replace_list": lambda _: {
        "criteria": [{"kind": "inclusion", "statement": "Adults"}]
    },
    "studies.create_study_site": lambda ids: {"site_id": ids["site_id"]},
    "studies.create_team_member": lambda ids: {"member_id": ids["member_id"], "role": "monitor"},
    "studies.set_recruiting_status": lambda _: {"recruiting_status": "open"},
    "webhooks.create_webhook": lambda _: _WEBHOOK,
    "webhooks.replay_deliveries": lambda _: {
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-02T00:00:00Z",
    },
    "valuesets.preview_expansion": lambda _: {"compose": {"include": [{"valueset": "t2dm"}]}},
}
"""Bodies of routes that create no resource and need one."""

UPLOADS: Mapping[str, Callable[[str], tuple[bytes, str]]] = {
    "fhir.find_clinical_trials": lambda _: (_PATIENT_BUNDLE, JSON_TYPE),
    "scim.create_group": lambda word: (_scim({"displayName": word}), SCIM_TYPE),
    "scim.create_user": lambda word: (_scim({"userName": word}), SCIM_TYPE),
    "scim.patch_group": lambda word: (_scim_patch("displayName", word), SCIM_TYPE),
    "scim.patch_user": lambda word: (_scim_patch("displayName", word), SCIM_TYPE),
    "scim.replace_group": lambda word: (_scim({"displayName": word}), SCIM_TYPE),
    "scim.replace_user": lambda word: (_scim({"userName": word}), SCIM_TYPE),
    "settings.replace_logo": lambda _: (_LOGO, "image/svg+xml"),
    "study_documents.create_study_document": lambda word: (word.encode(), "text/plain"),
    "studies.import_studies": lambda word: (_study_of_registry(word), JSON_TYPE),
}
"""Bodies of routes that read an upload, and their media types. Others get a FHIR resource."""


_LOGO = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h8v8z"/></svg>'
_PATIENT_BUNDLE = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {"resourceType": "Patient", "id": "1"}}],
    }
).encode()


def _scim(attributes: Body) -> bytes:
    """Return a resource of SCIM. Its type follows from its path."""
    kind = "User" if "userName" in attributes else "Group"
    return json.dumps({"schemas": [f"{SCIM_CORE}:{kind}"], **attributes}).encode()


def _scim_patch(path: str, value: str) -> bytes:
    operation = {"op": "replace", "path": path, "value": value}
    return json.dumps({"schemas": [SCIM_PATCH], "Operations": [operation]}).encode()


def _basic_resource(_: str) -> tuple[bytes, str]:
    return b'{"resourceType": "Basic", "id": "1"}', JSON_TYPE


def _study_of_registry(word: str) -> bytes:
    """Return a study that no test has imported, in the registry's JSON."""
    identification = {"nctId": f"NCT{90_000_000 + next(_numbers)}", "briefTitle": word}
    return json.dumps({"protocolSection": {"identificationModule": identification}}).encode()


def ids_of_nothing(names: Iterable[str]) -> dict[str, str]:
    """Return ids that nothing has, by the names of routes' arguments."""
    numbers = ("version", "other_version")
    return {
        name: "999999" if name.rpartition(" ")[2] in numbers else str(uuid4()) for name in names
    }


API = routes_only()
"""The API's routes: tests are collected before there is an app."""

PUBLIC_VIEWS = frozenset({"branding.show_branding", "branding.show_logo"})
"""The views of the API that need no token, and enter no tenant."""

ROUTES: list[tuple[Rule, str]] = [
    (rule, method)
    for rule in API.url_map.iter_rules()
    if rule.endpoint not in PUBLIC_VIEWS
    for method in sorted((rule.methods or set()) - {"OPTIONS"})
]

ABOUT_PATIENTS = frozenset(
    resource.id_argument
    for resource in RESOURCES
    if is_about_patients(table_of(resource.model))
    and (example := EXAMPLES.get(resource.name))
    and example.can_be_created
)
"""Arguments that name rows about patients, which members of other sites may not see."""

CHANGED = {name: example for name, example in EXAMPLES.items() if example.change}
"""The resources that clients create and change."""

LISTS = tuple(
    example.path.removeprefix("/") for example in EXAMPLES.values() if "{" not in example.path
)
"""The paths of lists that name nothing."""

_numbers = itertools.count(1)


def new_word(prefix: str = "word") -> str:
    """Return a word that no test has used."""
    return f"{prefix} {next(_numbers)} {uuid4().hex[:8]}"


def create_all(member: "Member", word: str = "word", **ids: str) -> dict[str, str]:
    """Create one row of each resource, and return their ids. Rows in `ids` exist already.

    Some arguments of routes are no ids of resources: the patient `into` whom another is merged, a
    `field` that is corrected, an `alert_rule`, an export, an audit record, a type and a schema of
    SCIM, and the numbers of two versions of a protocol. An issuer of the tenant's own is a row of
    the catalog.
    """
    for name, example in EXAMPLES.items():
        if example.can_be_created and f"{name}_id" not in ids:
            ids[f"{name}_id"] = example.create(member, ids, new_word(word))
            if example.another_version:
                path = f"{example.path}/{ids[f'{name}_id']}"
                assert member.patch(path, json=example.another_version).status_code == 200
    some = {"into": ids["patient_id"], "field": "sex", "export_id": _insert_export(member)}
    newest = next(each for each in member.get("/audit").json["data"] if each["member"])
    ids["audit_record_id"] = newest["id"]
    some["version"] = some["other_version"] = ids["protocol_version_id"]
    some.update(_inviting_organisation(member, ids))
    some["issuer_id"] = _register_issuer(member)
    some |= {"resource_type": "User", "scim_schema": f"{SCIM_CORE}:User"}
    return some | {"alert_rule": "bulk_reads"} | ids


ONCE_IN_A_STUDY = ("study_site", "team_member")
"""Resources of which a study has each only once."""


def create_another(member: "Member", ids: Ids, name: str) -> dict[str, str]:
    """Create one more row of a resource, and return all ids with its id."""
    if name in ONCE_IN_A_STUDY:
        ids = {**ids, "study_id": EXAMPLES["study"].create(member, ids, new_word())}
    return {**ids, f"{name}_id": EXAMPLES[name].create(member, ids, new_word())}


def contract_for(rule: Rule) -> Contract:
    """Return the contract of a route's view."""
    return contract_of(API.view_functions[rule.endpoint])


def body_for(rule: Rule, ids: Ids, word: str | None = None) -> Body:
    """Return a valid body for a route that reads JSON."""
    path = rule.rule.removeprefix("/api/v1")
    if rule.endpoint in BODIES:
        return BODIES[rule.endpoint](ids)
    if "PATCH" in (rule.methods or ()):
        name = path.rpartition("<uuid:")[2].removesuffix("_id>")
        assert name in CHANGED, MISSING.format(name=name)
        return dict(CHANGED[name].change)
    for example in EXAMPLES.values():
        if example.path == path and example.body is not None:
            return example.body(ids, word or new_word())
    schema = contract_for(rule).body
    required = [name for name, each in schema.fields.items() if each.required] if schema else []
    assert not required, f"{rule.rule} needs a body: " + MISSING.format(name=_row_of(rule))
    return {}


def _row_of(rule: Rule) -> str:
    """Return the name of the rows that a route's module is about."""
    module = sys.modules[API.view_functions[rule.endpoint].__module__]
    return next(each.name for each in vars(module).values() if isinstance(each, Resource))


def url_for(rule: Rule, ids: Ids) -> str:
    """Return a route's URL, with its arguments taken from `ids`.

    An id of the route's own is named by endpoint and argument, such as `erasures.show_hold
    patient_id`.
    """
    arguments = {name: ids.get(f"{rule.endpoint} {name}", ids[name]) for name in rule.arguments}
    return API.url_map.bind("").build(rule.endpoint, arguments)


def options_for(rule: Rule, ids: Ids, word: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return what a valid request to a route needs besides its URL, with `changes` to its body."""
    contract = contract_for(rule)
    options: dict[str, Any] = {"headers": {"If-Match": "*"} if contract.matches_versions else {}}
    if contract.query is not None:
        required = {name: one for name, one in contract.query.fields.items() if one.required}
        options["query_string"] = {name: one.metadata[EXAMPLE] for name, one in required.items()}
    if contract.body is not None:
        options["json"] = {**body_for(rule, ids, word), **changes}
        options["content_type"] = contract.body_types[0]
    elif contract.body_types:
        upload = UPLOADS.get(rule.endpoint, _basic_resource)
        options["data"], options["content_type"] = upload(word or new_word())
    return options


def routes_with_body() -> Iterator[Rule]:
    """Yield the routes that read JSON."""
    for rule in API.url_map.iter_rules():
        if contract_for(rule).body is not None:
            yield rule
