"""Schemas and examples of the OpenAPI document: true, complete, and accepted by the API."""

import json
import re
from collections.abc import Iterator
from enum import EnumType, StrEnum
from typing import Any, cast, get_args, get_type_hints

import pytest
from examples import EXAMPLES, create_all, new_word
from flask import Flask
from marshmallow import Schema, fields
from members import AsMember
from openapi_documents import JSON, is_valid, operations, resolve
from werkzeug.routing import Rule

from trially.auth.roles import PhiLevel, Role
from trially.http.examples import MissingExampleError, example_of_answer
from trially.openapi.operations import UndescribedViewError, describe_operation
from trially.openapi.schemas import Schemas
from trially.recruiting.imports.model import ImportState
from trially.recruiting.imports.uploads.media_types import MEDIA_TYPES, TABLE_TYPES
from trially.recruiting.patients.choices import BirthDatePrecision, ContactPreference, Sex
from trially.recruiting.records.choices import Comparator, RecordType
from trially.recruiting.sites.model import SiteStatus
from trially.recruiting.studies.model import StudyStatus, StudyType
from trially.resources.resource import RESOURCES
from trially.scim.examples import USER_ID
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import TenantKind

RESOURCE_SCHEMAS = {
    "audit_alert": "AuditAlert",
    "custom_field": "CustomField",
    "site": "Site",
    "source": "Source",
    "study": "Study",
    "study_site": "StudySite",
    "team_member": "TeamMember",
    "study_document": "StudyDocument",
    "protocol_version": "ProtocolVersion",
    "criterion_proposal": "Proposal",
    "match": "Match",
    "match_run": "MatchRun",
    "match_decision": "MatchDecision",
    "value_set": "ValueSet",
    "value_set_version": "ValueSetVersion",
    "patient": "Patient",
    "erasure": "PersonErasure",
    "import": "Import",
    "job": "Job",
    "import_fault": "Fault",
    "missing_record": "MissingRecord",
    "waiting_fact": "WaitingFact",
    "record": "Record",
    "event": "Event",
    "document": "DocumentText",
    "found_document": "FoundDocument",
    "member": "Member",
    "invitation": "Invitation",
    "api_key": "ApiKey",
    "scim_user": "ScimUser",
    "scim_group": "ScimGroup",
    "webhook": "Webhook",
    "delivery": "Delivery",
    "name": "Name",
    "possible_duplicate": "Duplicate",
}


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    return dict(app.test_client().get("/openapi.json").json)


def test_every_schema_says_what_is_always_there(document: dict[str, Any]) -> None:
    """Every field of an answer is required, and no field of a body that has a default."""
    schemas = document["components"]["schemas"]
    answers, bodies = set(), set()
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "300" and JSON in response.get("content", {}):
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


QUERIES = {media_type: {"kind": "labs"} for media_type in TABLE_TYPES}
"""What an upload needs besides its body, by media type."""


def test_every_example_of_a_request_is_accepted_as_it_is(
    document: dict[str, Any], tenant: Tenant, as_member: AsMember
) -> None:
    member = as_member(tenant, Role.OWNER)
    ids = create_all(member)
    other = EXAMPLES["patient"].create(member, ids, new_word())
    erased = EXAMPLES["patient"].create(member, ids, new_word())
    for path, method, operation in operations(document):
        if path.endswith("/issuers/{issuer_id}/prove"):
            continue  # It takes a token of a real issuer: tests/auth/own_issuers.
        named = {**ids, "patient_id": erased} if path.endswith("/erasure") else ids
        if path.endswith(("/accept", "/reject")):
            proposal = EXAMPLES["criterion_proposal"].create(member, ids, new_word())
            named = {**ids, "criterion_proposal_id": proposal}
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if "example" not in content:
                continue
            if "/scim/" in path and media_type == "application/json":
                continue  # The same as application/scim+json, which would create a user twice.
            example = content["example"]
            # No example knows the id of another record.
            if "into" in example:
                example = {**example, "into": other}
            for name in {"site_id", "member_id"} & set(example) if method == "post" else ():
                example = {**example, name: ids[name]}
            data = example if isinstance(example, str) else json.dumps(example)
            data = data.replace(USER_ID, ids["scim_user_id"])
            answer = member.request(
                method.upper(),
                path.format(**named),
                query_string={
                    **required_parameters(document, operation),
                    **QUERIES.get(media_type, {}),
                },
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
                ids[name] = answer.headers["Location"].rpartition("/")[2]


def required_parameters(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """Return the examples of the query parameters that a request must have."""
    parameters = [resolve(document, each) for each in operation["parameters"]]
    return {
        each["name"]: each["schema"]["examples"][0]
        for each in parameters
        if each["in"] == "query" and each.get("required")
    }


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
