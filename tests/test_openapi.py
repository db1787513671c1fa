"""The OpenAPI document: well-formed, complete, and true of what the API answers."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from examples import PREPARED, create_all
from flask import Flask
from members import Member
from openapi_documents import JSON, is_valid, operations, resolve, walk
from platform_rules import is_of_no_tenant

ACTIONS = (
    "/accept",
    "/activate",
    "/cancel",
    "/corrections/{field}",
    "/dry-run",
    "/erasure",
    "/getClinicalTrial",
    "/issuers/{issuer_id}/prove",
    "/issuers/{issuer_id}/test",
    "/join",
    "/merge",
    "/proposals",
    "/reject",
    "/reopen",
    "/replay",
    "/rotate-secret",
    "/status",
    "/studies/import",
    "/submit",
    "/test",
    "/validate",
    "/verify-domain",
    "/withdrawal",
    *("/expansion", "/match-runs", "/preview"),
)
"""Ends of the paths that change a resource without a body of its fields, and answer with it."""


VERSIONED = (
    *("/versions/{version}/criteria", "/activate", "/reopen", "/submit"),
    *("/accept", "/reject", "/rotate-secret", "/logo"),
)
"""Ends of the paths of other requests that change the version which If-Match names."""


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json)


def test_the_document_is_an_openapi_document(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["info"]) >= {"title", "version"}
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = [part for part in walk(document) if "$ref" in part]

    assert len(references) > 50
    for part in references:
        assert resolve(document, part)


def test_every_schema_is_used(document: dict[str, Any]) -> None:
    used = {part["$ref"] for part in walk(document) if "$ref" in part}

    for kind in ("schemas", "responses", "headers", "parameters"):
        for name in document["components"][kind]:
            assert f"#/components/{kind}/{name}" in used


def test_every_operation_is_described(app: Flask, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, method, _ in operations(document)}
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and not is_of_no_tenant(rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == served

    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for path, _, operation in operations(document):
        assert operation["summary"].endswith(".")
        assert len(operation["description"]) > 40
        assert operation["summary"] not in operation["description"]
        parameters = [resolve(document, one) for one in operation["parameters"]]
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert all(one["required"] for one in parameters if one["in"] == "path")
        in_query = [one["name"] for one in parameters if one["in"] == "query"]
        assert len(in_query) == len(set(in_query))


def test_no_name_or_birth_of_a_patient_goes_into_a_url(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        if path.endswith("/sources"):
            continue
        for parameter in (resolve(document, one) for one in operation["parameters"]):
            assert not re.search("name|birth|mrn|phone|email|address|token", parameter["name"])


def test_patterns_mean_to_clients_what_they_mean_here(document: dict[str, Any]) -> None:
    """JSON Schema searches for a pattern where Python matches it, and knows no end but `$`."""
    patterns = [part["pattern"] for part in walk(document) if isinstance(part.get("pattern"), str)]

    assert len(patterns) >= 3
    assert all(re.fullmatch(r"\^[^\\]*\$", pattern) for pattern in patterns)


def test_what_a_request_may_be_called_is_left_to_the_client(document: dict[str, Any]) -> None:
    name = document["components"]["parameters"]["RequestId"]

    assert name["schema"] == {"type": "string"}


WITHOUT_VERSION = frozenset(
    {
        "/api/v1/studies/{study_id}/decisions/{patient_id}",
        "/api/v1/studies/{study_id}/matches/{patient_id}",
        "/api/v1/audit/{audit_record_id}",
        "/api/v1/exports/{export_id}",
        "/api/v1/erasures/{erasure_id}",
        "/api/v1/api-keys/{api_key_id}",
        "/api/v1/invitations/{invitation_id}",
        "/api/v1/sharing/{organisation_id}",
        "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
    }
)
"""Items that clients never change, or whose job has the version."""


MATCHED = ("/attrition", "/matches/{patient_id}", "/MeasureReport/{study_id}")
"""Ends of the paths that need a study with an active version of its protocol."""


UNVERSIONED = frozenset(
    {
        "/api/v1/patients/{patient_id}/legal-hold",
        "/api/v1/studies/{study_id}/decisions/{patient_id}",
        "/api/v1/api-keys/{api_key_id}",
        "/api/v1/invitations/{invitation_id}",
        "/api/v1/sharing/{organisation_id}",
    }
)
"""What is placed and released as a whole, without If-Match."""


SCIM = "/api/v1/scim/v2/"
"""Begins the paths with bodies and errors of SCIM: see tests/scim/test_scim_discovery.py."""


def test_statuses_and_problems_are_said(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if path.startswith(SCIM):
            continue
        responses = operation["responses"]
        good = [status for status in responses if status < "300"]
        is_action = path.endswith(ACTIONS)
        creates = method == "post" and not path.endswith("/search")
        of_resource = "204" if method == "delete" else "201" if creates else "200"
        expected = "200" if is_action else of_resource
        may_be_deferred = ["202"] if operation["operationId"] == "import_records" else []
        assert good == [expected, *may_be_deferred], (path, method)
        assert ("content" in responses[expected]) is (expected != "204")
        assert set(responses) >= {"400", "401", "403", "500", "503"}
        assert ("404" in responses) is ("{" in path)
        assert ("422" in responses) is ("requestBody" in operation)
        is_changed = method in {"patch", "delete"} and not is_action and path not in UNVERSIONED
        is_changed |= method != "get" and path.endswith(VERSIONED)
        assert ({"412", "428"} <= set(responses)) is is_changed, (path, method)
        is_shown = method == "get" and "ETag" in responses[expected]["headers"]
        assert ("304" in responses) is is_shown
        shows_item = path.endswith("_id}") and path not in WITHOUT_VERSION
        assert "ETag" in responses[expected]["headers"] or not shows_item or is_changed, path
        assert set(operation["responses"]) >= {"default"}
        for status, response in responses.items():
            if status >= "400":
                assert response["$ref"].startswith("#/components/responses/")
                problem = resolve(document, response)["content"]["application/problem+json"]
                assert problem == {"schema": {"$ref": "#/components/schemas/Problem"}}


def test_a_patch_requires_nothing(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if path.startswith(SCIM):
            continue
        if method in {"patch", "post"} and "requestBody" in operation:
            for media_type, body in operation["requestBody"]["content"].items():
                if method == "patch":
                    assert media_type == "application/merge-patch+json"
                    assert "required" not in resolve(document, body["schema"])


def test_what_a_patient_may_be_on_the_wire(document: dict[str, Any]) -> None:
    patient = document["components"]["schemas"]["Patient"]["properties"]
    body = document["components"]["schemas"]["PatientBody"]

    assert set(patient) >= {
        "id",
        "mrn",
        "given_name",
        "family_name",
        "birth_date",
        "sex",
        "created_at",
        "updated_at",
    }
    assert patient["phone"]["type"] == ["string", "null"]
    assert patient["birth_date"]["type"] == ["string", "null"]
    assert patient["birth_date"]["format"] == "date"
    assert body["properties"]["birth_date"]["type"] == "string"
    assert set(body["required"]) == {"mrn", "given_name", "family_name", "birth_date", "sex"}
    assert patient["id"]["readOnly"] is True


def conforms(document: dict[str, Any], schema: dict[str, Any], value: Any, at: str = "") -> None:
    """Hold a value against the part of JSON Schema that the document uses."""
    schema = resolve(document, schema)
    if "anyOf" in schema or "oneOf" in schema:
        options = schema.get("anyOf") or schema["oneOf"]
        options = [one for one in options if (one.get("type") == "null") is (value is None)]
        assert options, at
        schema = resolve(document, options[0])
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    names = {
        str: {"string"},
        bool: {"boolean"},
        int: {"integer", "number"},
        float: {"number"},
        list: {"array"},
        dict: {"object"},
        type(None): {"null"},
    }
    assert not kinds or names[type(value)] & set(kinds), (at, value, kinds)
    if "enum" in schema:
        assert value in schema["enum"], (at, value)
    if isinstance(value, dict) and "properties" in schema:
        assert set(value) <= set(schema["properties"]), at
        assert set(schema.get("required", [])) <= set(value), at
        for name, inner in value.items():
            conforms(document, schema["properties"][name], inner, f"{at}/{name}")
    if isinstance(value, list):
        for number, inner in enumerate(value):
            conforms(document, schema.get("items", {}), inner, f"{at}/{number}")


def test_answers_are_as_the_document_says(
    document: dict[str, Any],
    shared_member: Member,
    make_patient: Callable[..., Any],
    make_fact: Callable[..., str],
) -> None:
    ask = shared_member
    site = ask.post("/sites", json={"name": "Main"}).json["id"]
    registered = {"protocolSection": {"identificationModule": {"nctId": "NCT00000001"}}}
    study = ask.post("/studies/import", json=registered).json["studies"][0]["study_id"]
    bare = make_patient(ask)["id"]
    patient = make_patient(ask, site_id=site, phone="1", address={"city": "Bern"})["id"]
    make_fact(ask.tenant, patient)
    make_fact(ask.tenant, patient, value_number=7.5, unit="%", other_codings=[{"code": "a"}])
    upload = b'{"resourceType": "Patient", "id": "p1"}\n{"resourceType": "Patient"}\n'
    job = ask.post("/imports?source=fhir", data=upload, content_type="application/ndjson").json[
        "id"
    ]
    ids = create_all(ask, site_id=site, study_id=study, patient_id=patient, import_id=job)
    matched = PREPARED["matches.explain_match"](ask, ids)["study_id"]
    hold = ask.request("PUT", f"/patients/{patient}/legal-hold", json={"reason": "Litigation"})
    conforms(document, {"$ref": "#/components/schemas/Hold"}, hold.json)
    seen = set()

    for path, method, operation in operations(document):
        if method in {"patch", "put", "delete"} or (
            method == "post" and not path.endswith("/search")
        ):
            continue
        if JSON not in operation["responses"]["200"]["content"]:
            continue
        query = {
            each["name"]: each["schema"]["examples"][0]
            for each in operation.get("parameters", ())
            if each.get("in") == "query" and each.get("required")
        }
        answer = ask.request(
            method.upper(),
            path.format(**ids | ({"study_id": matched} if path.endswith(MATCHED) else {})),
            query_string=query,
            **({"json": {}} if method == "post" else {}),
        )
        schema = operation["responses"]["200"]["content"][JSON]["schema"]
        conforms(document, schema, answer.json)
        is_valid(document, schema, answer.json)
        seen.add(operation["operationId"])
    patched = ask.patch(f"/patients/{bare}", json={"address": {"city": "Bern"}})
    refused = ask.post("/patients", json={})
    conforms(document, {"$ref": "#/components/schemas/Patient"}, patched.json)
    conforms(document, {"$ref": "#/components/schemas/Problem"}, refused.json)

    assert seen >= {"show_me", "show_timeline", "list_records", "list_import_errors"}


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]


def test_the_browser_of_the_document_needs_no_other_host(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/docs/")
    links = Links()
    links.feed(page.text)

    assert page.status_code == 200
    assert page.content_type.startswith("text/html")
    assert links.found
    for link in links.found:
        assert urlsplit(link).netloc == ""
        with client.get(link) as asset:
            assert asset.status_code == 200, link
            assert asset.data
    assert client.get("/docs/nothing.js").status_code == 404
    assert client.get("/docs/../trially/config.py").status_code == 404
    assert client.get("/docs/%2e%2e/%2e%2e/__init__.py").status_code == 404
    config = re.search(r"user_config = ({.*?});", page.text)
    assert config
    assert json.loads(config[1])["validatorUrl"] is None
    assert json.loads(config[1])["url"] == "/openapi.json"
