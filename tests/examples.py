"""One example of each resource. Tests that enumerate resources or routes take it from here.

They are the tests of every route, level, version and merge patch, the fuzz tests, the search for
PHI, and the tests of `prove`. A resource without an example fails with `MISSING`.
"""

import datetime as dt
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, update
from werkzeug.routing import Rule

from trially.api import routes_only
from trially.auditing.alerts.model import AuditAlert
from trially.auditing.alerts.rules import RuleName
from trially.database.changes import is_about_patients
from trially.database.rows import insert_item, table_of
from trially.database.session import db, transaction
from trially.http.contract import JSON_TYPE, Contract, contract_of
from trially.http.fields import EXAMPLE
from trially.jobs.model import Job
from trially.recruiting.documents.model import Document, DocumentPage
from trially.recruiting.documents.words import to_vector
from trially.resources.resource import RESOURCES, Resource
from trially.tenancy.context import tenant_context

if TYPE_CHECKING:
    from members import Member

Ids = Mapping[str, str]
"""Ids of existing rows, by the arguments of routes: `patient_id`, `site_id`, …"""

Body = dict[str, Any]

NDJSON = "application/ndjson"
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
            answer = member.post(self.path, json={**self.body(ids, word), **changes})
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


EXAMPLES: Mapping[str, Example] = {
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
    "erasure": Example("/erasures", insert=_erase_another),
    "import": Example("/imports", upload=_bad_lines, query="?source=clinic&complete=true"),
    "import_fault": Example("/imports/{import_id}/errors"),
    "missing_record": Example("/imports/{import_id}/missing"),
    "waiting_fact": Example("/imports/waiting"),
    "record": Example("/patients/{patient_id}/records"),
    "event": Example("/patients/{patient_id}/timeline"),
    "document": Example("/patients/{patient_id}/documents", insert=_insert_document),
    "found_document": Example("/patients/{patient_id}/documents"),
    "member": Example("/members"),
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


def _held_patient(member: "Member", ids: Ids) -> Body:
    """Return the id of a patient who is under a legal hold."""
    found = _new_patient(member, ids)
    path = f"/patients/{found['patient_id']}/legal-hold"
    held = member.request("PUT", path, json={"reason": "Litigation"})
    assert held.status_code == 200, held.text
    return found


PREPARED: Mapping[str, Callable[["Member", Ids], Body]] = {
    "exports.create_export": _end_exports,
    "jobs.cancel_job": lambda member, ids: {"job_id": _insert_job(member, ids, new_word())},
    "imports.withdraw_missing_records": _full_export,
    "erasures.erase_patient": _new_patient,
    "erasures.hold_patient": _new_patient,
    "patients.merge_patient": _another_patient,
    "erasures.release_hold": _held_patient,
    "erasures.show_hold": _held_patient,
    "patients.release_correction": _corrected_patient,
}
"""Routes that need rows in a certain state: each creates them and returns what names them."""

BODIES: Mapping[str, Callable[[Ids], Body]] = {
    "alerts.change_alert_rule": lambda _: {"threshold": 400},
    "erasures.erase_patient": lambda _: {"reason": "request"},
    "erasures.hold_patient": lambda _: {"reason": "Litigation 2026-114"},
    "patients.merge_patient": lambda ids: {"into": ids["into"]},
}
"""Bodies of routes that create no resource and need one."""

API = routes_only()
"""The API's routes: tests are collected before there is an app."""

ROUTES: list[tuple[Rule, str]] = [
    (rule, method)
    for rule in API.url_map.iter_rules()
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
    `field` that is corrected, an `alert_rule`, an export, and an audit record.
    """
    for name, example in EXAMPLES.items():
        if example.can_be_created and f"{name}_id" not in ids:
            ids[f"{name}_id"] = example.create(member, ids, new_word(word))
    some = {"into": ids["patient_id"], "field": "sex", "export_id": _insert_export(member)}
    newest = next(each for each in member.get("/audit").json["data"] if each["member"])
    ids |= {"audit_record_id": newest["id"], "member_id": newest["member"]["id"]}
    return some | {"alert_rule": "bulk_reads"} | ids


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
        options["data"] = b'{"resourceType": "Basic", "id": "1"}'
        options["content_type"] = JSON_TYPE
    return options


def routes_with_body() -> Iterator[Rule]:
    """Yield the routes that read JSON."""
    for rule in API.url_map.iter_rules():
        if contract_for(rule).body is not None:
            yield rule
