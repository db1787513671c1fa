"""The OpenAPI document of the platform API: complete, and apart from that of tenants."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from openapi_documents import operations, resolve, walk
from platform_rules import API_OF_PLATFORM, is_platform

from trially.auth.platform.permissions import ROLES, PlatformPermission
from trially.config import ROOT
from trially.tenancy.operators.model import PlatformRole


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/openapi-platform.json")
    assert answer.status_code == 200
    return dict(answer.json)


def test_it_describes_each_route_of_the_platform_and_no_other(
    app: Flask, document: dict[str, Any]
) -> None:
    described = {(method.upper(), path) for path, method, _ in operations(document)}
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if is_platform(rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert described == served
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 25
    of_tenants = app.test_client().get("/openapi.json").text
    assert API_OF_PLATFORM not in of_tenants
    assert "platform_tenants:" not in of_tenants


def test_it_has_a_security_scheme_of_its_own(document: dict[str, Any]) -> None:
    assert document["security"] == [{"operator": []}]
    assert set(document["components"]["securitySchemes"]) == {"operator"}
    permissions = {each["x-permission"] for _, _, each in operations(document)}
    assert permissions == set(PlatformPermission)


def test_references_resolve_and_components_are_used(document: dict[str, Any]) -> None:
    used = {part["$ref"] for part in walk(document) if "$ref" in part}
    for part in walk(document):
        if "$ref" in part:
            assert resolve(document, part)
    for kind, named in document["components"].items():
        if kind != "securitySchemes":
            for name in named:
                assert f"#/components/{kind}/{name}" in used


def test_each_change_answers_with_an_operation(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert ("202" in operation["responses"]) is (method != "get"), (method, path)
        if method != "get":
            accepted = operation["responses"]["202"]
            content = json.dumps(accepted["content"])
            assert "#/components/schemas/Operation" in content
            assert "Location" in accepted["headers"]
            names = json.dumps(operation["parameters"])
            assert "IdempotencyKey" in names


def test_the_page_has_the_permissions_of_each_role() -> None:
    rows = re.findall(
        r"^\| `(platform[a-z_]*:[a-z]+)`: .*? \| (.*?) ?\| (.*?) ?\| (.*?) ?\|$",
        (ROOT / "docs" / "platform.md").read_text("utf-8"),
        re.MULTILINE,
    )
    documented = {
        role: {row[0] for row in rows if row[column]} for column, role in enumerate(PlatformRole, 1)
    }

    assert documented == {role: set(map(str, ROLES[role])) for role in PlatformRole}
