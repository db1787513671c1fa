"""Write canaries into every field, then search for them where PHI must not be."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from examples import EXAMPLES
from flask import Flask
from platform_rules import is_of_no_tenant
from sqlalchemy import String, text
from werkzeug.test import TestResponse

from trially.auth.members.managing import add_member
from trially.auth.permissions import Permission, requires
from trially.auth.roles import Role
from trially.config import Settings
from trially.database.rows import table_of
from trially.database.session import db
from trially.http.contract import contract_of
from trially.observability.rendering import render
from trially.observability.statement_texts import TenantFilter
from trially.recruiting.records.model import ClinicalFact
from trially.state import state_of
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

CANARY = "Zq7Canary"
BIRTH = "1931-02-27"
CANARIES = re.compile(f"{CANARY}|{BIRTH}", re.IGNORECASE)
NDJSON = "application/fhir+ndjson"
PHI_NAMES = {"mrn", "given_name", "family_name", "birth_date", "email", "phone", "name", "address"}

PATIENT = {
    **{
        name: f"{CANARY} {name}"
        for name in (
            *("mrn", "given_name", "family_name", "gender_identity", "race", "ethnicity"),
            *("language", "phone", "email"),
        )
    },
    "birth_date": BIRTH,
    "sex": "female",
    "address": dict.fromkeys(("line", "city", "state", "postal_code", "country"), CANARY),
}
IMPORTED = [
    {
        "resourceType": "Patient",
        "id": CANARY,
        "birthDate": BIRTH,
        "name": [{"family": CANARY, "given": [CANARY]}],
        "telecom": [{"system": "phone", "value": CANARY}],
        "address": [{"line": [CANARY], "city": CANARY}],
        "identifier": [{"value": CANARY}],
    },
    {
        "resourceType": "Observation",
        "id": f"{CANARY}-o",
        "subject": {"reference": f"Patient/{CANARY}"},
        "code": {"text": CANARY, "coding": [{"system": CANARY, "code": CANARY}]},
        "valueString": CANARY,
    },
    *(
        {
            "resourceType": "DocumentReference",
            "id": f"{CANARY}-{number}",
            "subject": {"reference": f"Patient/{CANARY}"},
            "description": CANARY,
            "content": [{"attachment": {"contentType": kind, "data": data, "title": CANARY}}],
        }
        for number, (kind, data) in enumerate(
            [
                ("text/plain", base64.b64encode(CANARY.encode()).decode()),
                ("text/html", base64.b64encode(f"<p>{CANARY}".encode()).decode()),
                ("application/pdf", base64.b64encode(f"%PDF-{CANARY}".encode()).decode()),
                (CANARY, f"{CANARY}!"),
            ]
        )
    ),
    {"resourceType": "Patient", "id": 5, "birthDate": CANARY},
    {"resourceType": CANARY, "id": "\x00"},
    {"resourceType": "Condition", "id": CANARY, "subject": {"reference": CANARY}},
]
FAILING = [
    "SELECT CAST(:canary AS integer)",
    "SELECT CAST(:canary AS date)",
    "SELECT CAST(CAST(:canary AS text) AS jsonb)",
    "SELECT CAST(:canary AS uuid), 1 / 0",
    "INSERT INTO site (tenant_id, id, name) SELECT tenant_id, id, :canary FROM site",
    "INSERT INTO site (tenant_id, id, name) VALUES (gen_random_uuid(), gen_random_uuid(), :canary)",
    "INSERT INTO patient (given_name) VALUES (:canary)",
    "UPDATE patient SET sex = CAST(:canary AS text) || :canary",
    "UPDATE patient SET birth_date_precision = left(:canary, 3)",
    "UPDATE patient SET mrn = :canary, source = 'one'",
    "UPDATE patient SET site_id = gen_random_uuid(), phone = :canary",
    f"SELECT {CANARY} FROM patient",
    f"SELECT * FROM {CANARY} WHERE :canary = ''",
    f"{CANARY} :canary",
    "DROP TABLE patient",
    "SELECT set_config('statement_timeout', '1', true), :canary; SELECT pg_sleep(1)",
]

NAMES_IN_STATEMENTS = {
    f"SELECT {CANARY} FROM patient",
    f"SELECT * FROM {CANARY} WHERE ? = ?",
    f"{CANARY} ?",
}
"""The log shows names of columns and tables, here canaries, and no value."""
RAISED = [
    *("01000", "08006", "0A000", "21000", "22012", "23P01", "25006", "25P02", "28000", "2D000"),
    *("34000", "38000", "39000", "3D000", "3F000", "40001", "40P01", "42501", "44000", "53100"),
    *("53300", "54001", "55P03", "57014", "57P01", "58030", "F0000", "HV000", "P0001", "XX000"),
]


@dataclass
class Seen:
    """All that left the server, except the bodies of successful responses."""

    answers: list[tuple[str, TestResponse]] = field(default_factory=list)

    def texts(self) -> Iterator[str]:
        for url, answer in self.answers:
            yield url
            yield str(answer.headers)
            if answer.status_code >= 400:
                yield answer.text


class Caller:
    """A member with a canary as a name; stores the responses."""

    def __init__(self, app: Flask, tenant: Any, seen: Seen) -> None:
        subject = f"{CANARY}|subject"
        with app.app_context(), tenant_context(str(tenant.id)):
            add_member(subject, Role.OWNER, display_name=CANARY, email=f"{CANARY}@example.org")
        token = state_of(app).dev_issuer.issue_token(subject=subject, tenant=tenant.slug)
        self.headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
        self.client = app.test_client()
        self.seen = seen

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else json.dumps(body)
            merge = "application/merge-patch+json"
            options.setdefault("content_type", merge if method == "PATCH" else "application/json")
        url = f"/api/v1{path}"
        answer = self.client.open(url, method=method, headers=self.headers, **options)
        self.seen.answers.append((url, answer))
        return answer


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def call(app: Flask, make_tenant: Callable[..., Any], seen: Seen) -> Caller:
    tenant = make_tenant(name=f"{CANARY} Clinic")
    return Caller(app, tenant, seen)


def _plant(call: Caller, tenant: Any, make_fact: Callable[..., str]) -> dict[str, str]:
    """Create a row of each resource with a canary in its texts, and return the ids."""
    ids: dict[str, str] = {}
    for name, example in EXAMPLES.items():
        if example.body is not None:
            body = PATIENT if name == "patient" else example.body(ids, CANARY)
            more = {"site_id": ids["site_id"]} if name == "patient" else {}
            more |= {"name": "epic"} if name == "source" else {}  # errors name sources
            ids[f"{name}_id"] = call("POST", example.path, {**body, **more}).json["id"]
    patient = ids["patient_id"]
    ids["other_id"] = call("POST", "/patients", {**PATIENT, "mrn": f"{CANARY} 2"}).json["id"]
    (pair,) = call("GET", "/possible-duplicates").json["data"]
    ids["possible_duplicate_id"] = pair["id"]
    texts = {
        column.name: CANARY[: column.type.length]
        for column in table_of(ClinicalFact).columns
        if isinstance(column.type, String) and column.name != "type"
    }
    make_fact(tenant, patient, **texts)
    owner = SimpleNamespace(app=call.client.application, tenant=tenant)
    assert EXAMPLES["document"].insert
    ids["document_id"] = EXAMPLES["document"].insert(owner, ids, CANARY)
    upload = b"\n".join(json.dumps(resource).encode() for resource in IMPORTED)
    taken = call(
        "POST", "/imports?source=fhir", upload + b"\n{" + CANARY.encode(), content_type=NDJSON
    )
    assert taken.json["counts"], taken.json
    study = f"/studies/{ids['study_id']}"
    site = {"site_id": ids["site_id"], "investigator": CANARY}
    study_site = call("POST", f"{study}/sites", site).json["id"]
    version = str(call("POST", f"{study}/versions", {"label": CANARY}).json["number"])
    call("PUT", f"{study}/decisions/{patient}", {"decision": "excluded", "reason": CANARY})
    erased = call("POST", "/patients", {**PATIENT, "mrn": f"{CANARY} 3"}).json["id"]
    erasure = call("POST", f"/patients/{erased}/erasure", {"reason": "request"})
    webhook = {"url": "https://hooks.example/", "event_types": ["import.finished"]}
    webhook_id = call("POST", "/webhooks", {**webhook, "description": CANARY}).json["id"]
    delivery_id = call("POST", f"/webhooks/{webhook_id}/test").json["id"]
    scim = {
        f"{name}_id": EXAMPLES[name].insert(owner, ids, CANARY)
        for name in ("scim_user", "scim_group")
    }
    records = call("GET", "/audit").json["data"]
    return (
        ids
        | scim
        | {
            "member_id": call("GET", "/members").json["data"][0]["id"],
            "webhook_id": webhook_id,
            "delivery_id": delivery_id,
            "erasure_id": erasure.json["id"],
            "export_id": str(uuid4()),
            "criterion_proposal_id": str(uuid4()),
            "study_site_id": study_site,
            "study_document_id": str(uuid4()),
            "team_member_id": str(uuid4()),
            "version": version,
            "other_version": version,
            "import_id": taken.json["id"],
            "audit_record_id": records[0]["id"],
            "audit_alert_id": str(uuid4()),
            "job_id": str(uuid4()),
            "alert_rule": call("GET", "/audit/alert-rules").json["data"][0]["name"],
            "field": "phone",
            "resource_type": "User",
            "scim_schema": "urn:ietf:params:scim:schemas:core:2.0:User",
            "digest": "0" * 64,
            "organisation_id": str(uuid4()),
            "issuer_id": str(uuid4()),
        }
    )


def _call_every_route(app: Flask, call: Caller, ids: dict[str, str]) -> None:
    """Send each route valid requests, invalid ones, and ids that do not exist."""
    wrong = [{**PATIENT, "sex": CANARY}, {"birth_date": f"{BIRTH}x", "email": [CANARY]}, [CANARY]]
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1") or is_of_no_tenant(rule):
            continue
        path = rule.rule.removeprefix("/api/v1")
        for name in rule.arguments:
            path = re.sub(rf"<[^>]*{name}>", ids[name], path)
        contract = contract_of(app.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"OPTIONS", "DELETE"}):
            bodies = [*wrong, b"{" + CANARY.encode()] if contract.body is not None else [None]
            for body in bodies:
                call(method, path, body)
    for path in ("/patients", f"/patients/{CANARY}", f"/sites/{CANARY}"):
        call("GET", path)
    call("POST", "/patients", PATIENT)
    call("PATCH", f"/patients/{ids['patient_id']}", {"mrn": f"{CANARY} 2"})
    call("PATCH", f"/patients/{ids['patient_id']}", {"given_name": CANARY * 100})
    call("POST", "/patients", b"x" * 2_000_000)
    call("DELETE", f"/sites/{ids['site_id']}")
    for field_name in ("phone", CANARY):
        call("DELETE", f"/patients/{ids['patient_id']}/corrections/{field_name}")
    call("DELETE", f"/patients/{ids['other_id']}")


def _fail_in_sql(app: Flask, call: Caller, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Make the database reject a canary in every way, and return the SQLSTATEs."""
    states: set[str] = set()

    def failing(statement: str) -> Callable[[], Any]:
        def view() -> Any:
            try:
                db.session.execute(text(statement), {"canary": CANARY})
            except Exception as error:
                states.add(str(getattr(getattr(error, "orig", None), "pgcode", None)))
                raise
            pytest.fail(f"This did not fail: {statement}")

        return view

    def crash() -> Any:
        raise RuntimeError(CANARY)

    raising = [
        f"DO $$ BEGIN RAISE EXCEPTION '{CANARY}' USING ERRCODE = '{state}',"
        f" DETAIL = '{CANARY}', HINT = '{CANARY}'; END $$"
        for state in RAISED
    ]
    for view in [*map(failing, [*FAILING, *raising]), crash]:
        guarded = requires(Permission.ME_READ)(lambda view=view: view())
        monkeypatch.setitem(app.view_functions, "me.show_me", guarded)
        assert call("GET", "/me").status_code >= 400
    monkeypatch.undo()
    return states


def test_no_canary_is_where_phi_must_not_be(
    app: Flask,
    settings: Settings,
    call: Caller,
    seen: Seen,
    make_fact: Callable[..., str],
    make_tenant: Callable[..., Any],
    written: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant_id = call("GET", "/me").json["tenant"]["id"]
    with app.app_context(), tenant_context(tenant_id) as entry:
        tenant = type("Tenant", (), {"id": entry.tenant_id})
    with monkeypatch.context() as patching:
        for server in state_of(app).engines._servers.values():
            patching.setattr(server.dialect, "slow_seconds", 0)
        ids = _plant(call, tenant, make_fact)
        _call_every_route(app, call, ids)
        states = _fail_in_sql(app, call, monkeypatch)

    lines = written()
    requests = [line for line in lines if line["event"] == "request"]
    routes = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1")
        and not is_of_no_tenant(rule)
        and (rule.methods or set()) - {"OPTIONS", "DELETE"}
    }
    assert routes <= {line["route"] for line in requests}
    assert {line["status"] for line in requests} >= {200, 201, 204, 404, 409, 422, 500, 503}
    assert any("INSERT INTO patient" in line.get("statement", "") for line in lines)
    assert len({state[:2] for state in states}) > 25, states

    asked = [line for line in lines if line.get("route") not in {None, "/api/v1/me"}]
    assert not [line for line in asked if line.get("tenant_filter") == TenantFilter.MISSING]
    assert any(line.get("tenant_filter") == TenantFilter.PRESENT for line in asked)

    server_log = (settings.instance / EMBEDDED_DIRECTORY / "server.log").read_text()
    assert server_log
    logged = [line for line in lines if line.get("statement") not in NAMES_IN_STATEMENTS]
    for place in (json.dumps(logged), server_log, render()[0].decode()):
        assert not CANARIES.search(place), CANARIES.search(place)
    asked_for = f"/api/v1/(patients|sites)/([^/]+/corrections/)?{CANARY}"
    for leaving in seen.texts():
        if not re.fullmatch(asked_for, leaving):
            assert not CANARIES.search(leaving), leaving


def test_a_cursor_holds_no_canary(call: Caller) -> None:
    for number in range(2):
        call("POST", "/patients", {**PATIENT, "mrn": f"{CANARY} {number}"})

    for name in ("family_name", "mrn", "birth_date", "given_name"):
        value = PATIENT[name] if name != "mrn" else f"{CANARY} 0"
        answer = call("POST", "/patients/search", {name: value, "limit": 1})
        cursor = answer.json["page"]["next"] or ""
        parts = [part + "=" * (-len(part) % 4) for part in cursor.split(".")]
        for part in parts:
            assert not CANARIES.search(base64.urlsafe_b64decode(part).decode("latin-1"))


def test_no_route_takes_phi_in_its_url(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if is_of_no_tenant(rule):
            continue
        query = contract_of(app.view_functions[rule.endpoint]).query
        named = set(query.fields if query else ()) & PHI_NAMES
        # The name of a source is that of a system.
        assert named == ({"name"} if rule.endpoint == "sources.list_sources" else set()), rule
        # A field is named in the URL, and its value is not. A digest is that of a public logo.
        plain = {"field", "alert_rule", "digest", "resource_type", "scim_schema"}
        assert all(
            name.endswith(("_id", "version")) or name in plain for name in rule.arguments
        ) or not rule.rule.startswith("/api/"), rule
