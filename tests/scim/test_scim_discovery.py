"""What the server says of itself, and what it costs to start."""

import json
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask
from identity_providers import CORE, IdentityProvider, error_of, shown
from openapi_documents import operations

SCRIPT = """
import sys
from trially.api import routes_only
routes_only()
import trially.application
print("scim2_models" in sys.modules, "pydantic" in sys.modules)
"""


def test_the_server_says_what_it_can_do(provider: IdentityProvider) -> None:
    configuration = shown(provider.get("/ServiceProviderConfig"))
    supported = {
        name: part["supported"]
        for name, part in configuration.items()
        if isinstance(part, dict) and "supported" in part
    }

    assert supported == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "changePassword": False,
        "sort": False,
        "etag": True,
    }
    assert configuration["filter"]["maxResults"] == 200
    assert configuration["authenticationSchemes"][0]["type"] == "oauthbearertoken"
    types = shown(provider.get("/ResourceTypes"))["Resources"]
    assert [each["endpoint"] for each in types] == ["/Users", "/Groups"]
    schemas = shown(provider.get("/Schemas"))["Resources"]
    assert [each["id"] for each in schemas] == [f"{CORE}:User", f"{CORE}:Group"]
    for one in (*types, *schemas):
        path = one["meta"]["location"].partition("/scim/v2")[2]
        assert shown(provider.get(path)) == one
    for path in ("/ResourceTypes/Device", f"/Schemas/{CORE}:Device"):
        assert error_of(provider.get(path)) == (404, None)


def test_schemas_name_what_is_kept(provider: IdentityProvider) -> None:
    schema = shown(provider.get(f"/Schemas/{CORE}:User"))
    attributes = {each["name"]: each for each in schema["attributes"]}

    assert attributes.keys() == {
        *("userName", "name", "displayName", "title", "active", "emails", "groups")
    }
    assert attributes["userName"]["uniqueness"] == "server"
    assert attributes["userName"]["caseExact"] is False
    assert attributes["groups"]["mutability"] == "readOnly"


@pytest.mark.filterwarnings("ignore")
def test_starting_does_not_import_the_library() -> None:
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )

    assert found.stdout.split() == ["False", "False"]


def test_the_document_has_the_errors_of_scim(app: Flask) -> None:
    document: dict[str, Any] = dict(app.test_client().get("/openapi.json").json)
    found = [
        (path, method, operation)
        for path, method, operation in operations(document)
        if path.startswith("/api/v1/scim/v2/")
    ]

    assert len(found) == 17
    for path, method, operation in found:
        for status, response in operation["responses"].items():
            if status >= "400":
                assert set(response["content"]) == {"application/scim+json"}, (path, method)
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]
            assert set(content) == {"application/scim+json", "application/json"}
            assert json.dumps(content)
