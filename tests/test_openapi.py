"""The OpenAPI document: well-formed, complete, and true of what the API answers."""

import json
import re
from collections.abc import Callable, Iterator
from enum import EnumType, StrEnum
from html.parser import HTMLParser
from typing import Any, cast, get_args, get_type_hints
from urllib.parse import urlsplit

import jsonschema_rs
import pytest
from flask import Flask
from marshmallow import Schema, fields
from members import Member
from werkzeug.routing import Rule

from examples import create_all
from trially.auth.permissions import PhiLevel, Role
from trially.openapi.examples import MissingExampleError, example_of_answer
from trially.openapi.operations import UndescribedViewError, describe_operation
from trially.openapi.schemas import Schemas
from trially.recruiting.imports.model import ImportState
from trially.recruiting.imports.uploads import MEDIA_TYPES
from trially.recruiting.patients.model import BirthDatePrecision, ContactPreference, Sex
from trially.recruiting.records.model import Comparator, RecordType
from trially.recruiting.sites.model import SiteStatus
from trially.recruiting.studies.model import StudyStatus, StudyType
from trially.resources.resource import RESOURCES
from trially.tenancy.catalog import TenantKind

JSON = "application/json"
RESOURCE_SCHEMAS = {
    "site": "Site",
    "study": "Study",
    "patient": "Patient",
    "import": "Import",
    "import_fault": "Fault",
    "record": "Record",
    "event": "Event",
    "member": "Member",
}


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def walk(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from walk(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from walk(inner)


def resolve(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


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
        if rule.rule.startswith("/api/")
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


def test_no_name_or_birth_goes_into_a_url(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
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


def test_statuses_and_problems_are_said(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        responses = operation["responses"]
        good = [status for status in responses if status < "300"]
        creates = method == "post" and not path.endswith("/search")
        expected = "204" if method == "delete" else "201" if creates else "200"
        assert good == [expected], (path, method)
        assert ("content" in responses[expected]) is (expected != "204")
        assert set(responses) >= {"400", "401", "403", "500", "503"}
        assert ("404" in responses) is ("{" in path)
        assert ("422" in responses) is ("requestBody" in operation)
        is_changed = method in {"patch", "delete"}
        assert ({"412", "428"} <= set(responses)) is is_changed, (path, method)
        is_shown = method == "get" and "ETag" in responses[expected]["headers"]
        assert ("304" in responses) is is_shown
        assert "ETag" in responses[expected]["headers"] or not path.endswith("_id}") or is_changed
        assert set(operation["responses"]) >= {"default"}
        for status, response in responses.items():
            if status >= "400":
                assert response["$ref"].startswith("#/components/responses/")
                problem = resolve(document, response)["content"]["application/problem+json"]
                assert problem == {"schema": {"$ref": "#/components/schemas/Problem"}}


def test_a_patch_requires_nothing(document: dict[str, Any]) -> None:
    for _, method, operation in operations(document):
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


def is_valid(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Hold a value against a schema of the document, formats included."""
    root = {**schema, "components": document["components"]}
    jsonschema_rs.Draft202012Validator(root, validate_formats=True).validate(value)


def test_every_schema_says_what_is_always_there(document: dict[str, Any]) -> None:
    """Every field of an answer is required, and no field of a body that has a default."""
    schemas = document["components"]["schemas"]
    answers, bodies = set(), set()
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "300" and "content" in response:
                answers.add(response["content"][JSON]["schema"]["$ref"].rpartition("/")[2])
        if "requestBody" in operation:
            for body in operation["requestBody"]["content"].values():
                bodies.add(body["schema"].get("$ref", "").rpartition("/")[2])
    for name in answers:
        if name.endswith("Page"):
            assert set(schemas[name]["required"]) == {"data", "page"}
            name = name.removesuffix("Page")
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"]), name
        assert "additionalProperties" not in schemas[name]
    for name in bodies - {""}:
        assert not [part for part in schemas[name]["properties"].values() if "default" in part]
        assert not [part for part in schemas[name]["properties"].values() if "readOnly" in part]
        assert schemas[name]["additionalProperties"] is False
    assert "required" not in schemas["PatientSearch"]
    assert {"SiteBody", "StudyPatch", "PatientBody", "PatientSearch"} <= bodies


@pytest.mark.parametrize(
    ("schema", "field", "enum"),
    [
        ("Me", "role", Role),
        ("Me", "phi_level", PhiLevel),
        ("Tenant", "kind", TenantKind),
        ("Member", "role", Role),
        ("Member", "phi_level", PhiLevel),
        ("Record", "type", RecordType),
        ("Event", "type", RecordType),
        ("Record", "comparator", Comparator),
        ("Study", "status", StudyStatus),
        ("StudyBody", "study_type", StudyType),
        ("Site", "status", SiteStatus),
        ("Import", "state", ImportState),
        ("Patient", "sex", Sex),
        ("PatientPatch", "contact_preference", ContactPreference),
        ("Patient", "birth_date_precision", BirthDatePrecision),
    ],
)
def test_a_choice_is_an_enum(
    document: dict[str, Any], schema: str, field: str, enum: type[StrEnum]
) -> None:
    described = document["components"]["schemas"][schema]["properties"][field]

    assert set(described["enum"]) - {None} == set(enum)
    assert (None in described["enum"]) is ("null" in described["type"])


def test_every_column_of_an_enum_is_shown_as_one(document: dict[str, Any]) -> None:
    for resource in RESOURCES:
        schema = document["components"]["schemas"][RESOURCE_SCHEMAS[resource.name]]
        hints = get_type_hints(resource.model, include_extras=True)
        for name, hint in hints.items():
            enums = [one for one in parts_of(hint) if isinstance(one, EnumType)]
            if enums and name in schema["properties"]:
                shown = schema["properties"][name]["enum"]
                assert set(shown) - {None} == set(enums[0]), (resource.name, name)


def parts_of(hint: Any) -> Iterator[Any]:
    yield hint
    for inner in get_args(hint):
        yield from parts_of(inner)


def test_every_example_is_valid(document: dict[str, Any]) -> None:
    tried = 0
    for path, method, operation in operations(document):
        parts = [response for status, response in operation["responses"].items() if status < "300"]
        for part in [*parts, operation.get("requestBody", {})]:
            for content in part.get("content", {}).values():
                if content["schema"].get("format") == "binary":
                    continue
                is_valid(document, content["schema"], content["example"])
                tried += 1
        for parameter in (resolve(document, one) for one in operation["parameters"]):
            for example in parameter["schema"].get("examples", []):
                is_valid(document, parameter["schema"], example)
        assert operation["x-codeSamples"][0]["source"].startswith("curl"), (path, method)
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", []):
            is_valid(document, {"$ref": f"#/components/schemas/{name}"}, example)
            tried += 1
    assert tried > 30


def test_every_example_of_a_request_is_accepted_as_it_is(
    document: dict[str, Any], member: Member
) -> None:
    ids = create_all(member)
    for path, method, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if "example" not in content:
                continue
            example = content["example"]
            data = example if isinstance(example, str) else json.dumps(example)
            answer = member.request(
                method.upper(),
                path.format(**ids),
                data=data,
                headers={"If-Match": "*", "Content-Type": media_type},
            )
            assert answer.status_code < 300, (path, answer.text)
            assert answer.json.get("error_count", 0) == 0, answer.json
            if answer.status_code == 201:
                [name] = [
                    name
                    for other in document["paths"]
                    for name in re.findall(rf"^{path}/{{(\w+)}}$", other)
                ]
                ids[name] = answer.json["id"]


def test_an_upload_is_text_an_object_or_a_file(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/v1/imports"]["post"]["requestBody"]["content"]

    kinds = {
        media_type: (body["schema"]["type"], body["schema"].get("format"))
        for media_type, body in content.items()
    }
    assert kinds["application/fhir+ndjson"] == ("string", None)
    assert kinds["application/fhir+json"] == kinds["application/json"] == ("object", None)
    assert kinds["application/gzip"] == ("string", "binary")
    assert set(kinds) == set(MEDIA_TYPES)


def test_errors_of_the_server_itself_are_described_once(document: dict[str, Any]) -> None:
    described = document["components"]["responses"]["ServerError"]["description"]

    for status in (408, 414, 429, 431, 503):
        assert f"| {status} |" in described
    assert "Retry-After" in document["components"]["responses"]["ServerError"]["headers"]


def test_the_document_names_its_server_tags_and_owner(document: dict[str, Any]) -> None:
    assert document["servers"][0]["url"] == "/"
    assert set(document["info"]) >= {"description", "contact", "license"}
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    used = {name for _, _, operation in operations(document) for name in operation["tags"]}
    assert tags.keys() == used
    assert all(len(description) > 20 for description in tags.values())


def test_a_view_without_description_and_a_field_without_example_stop_the_start() -> None:
    def show_thing() -> None:
        """Show a thing."""

    rule = Rule("/api/v1/things", endpoint="things.show_thing")
    with pytest.raises(UndescribedViewError, match=r"show_thing is one paragraph\. Add a"):
        describe_operation(cast("Schemas", None), show_thing, rule, "GET")
    thing = Schema.from_dict({"label": fields.String()}, name="ThingSchema")
    with pytest.raises(MissingExampleError, match=r"ThingSchema\.label has no example"):
        example_of_answer(thing())


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
    study = ask.post("/studies", json={"protocol_number": "P", "title": "X"}).json["id"]
    bare = make_patient(ask)["id"]
    patient = make_patient(ask, site_id=site, phone="1", address={"city": "Bern"})["id"]
    make_fact(ask.tenant, patient)
    make_fact(ask.tenant, patient, value_number=7.5, unit="%", other_codings=[{"code": "a"}])
    upload = b'{"resourceType": "Patient", "id": "p1"}\n{"resourceType": "Patient"}\n'
    job = ask.post("/imports", data=upload, content_type="application/ndjson").json["id"]
    ids = create_all(ask, site_id=site, study_id=study, patient_id=patient, import_id=job)
    seen = set()

    for path, method, operation in operations(document):
        if method in {"patch", "delete"} or (method == "post" and not path.endswith("/search")):
            continue
        answer = ask.request(
            method.upper(), path.format(**ids), **({"json": {}} if method == "post" else {})
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
