"""Operations of the OpenAPI document, each described from its view's contract and docstring."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from werkzeug.routing import Rule

from trially.http.contract import JSON_TYPE, Contract, contract_of
from trially.http.examples import (
    example_of_answer,
    example_of_argument,
    example_of_body,
    example_of_parameter,
)
from trially.http.masked_fields import MASKED_FIELDS
from trially.openapi.components import (
    RESPONSES_OF_ALL,
    RESPONSES_OF_PATHS,
    RESPONSES_TO_BODIES,
    RESPONSES_TO_CONFLICTS,
    RESPONSES_TO_IF_MATCH,
    RESPONSES_TO_IF_NONE_MATCH,
    RESPONSES_TO_KEYS,
)
from trially.openapi.schemas import Json, Schemas

CONVERTER = re.compile(r"<(?:(\w+):)?(\w+)>")

View = Callable[..., Any]


class UndescribedViewError(TypeError):
    """The docstring of a view has no second paragraph, which describes the operation."""


def path_of(rule: Rule) -> str:
    """Return the path of a rule as OpenAPI spells it."""
    return CONVERTER.sub(r"{\2}", rule.rule)


def describe_operation(schemas: Schemas, view: View, rule: Rule, method: str) -> Json:
    """Return the operation of a view.

    Raises `UndescribedViewError` if the view's docstring has a summary only.
    """
    contract = contract_of(view)
    summary, description = _read_docstring(view)
    operation: Json = {
        "operationId": view.__name__,
        "summary": summary,
        "description": description,
        "tags": [rule.endpoint.partition(".")[0]],
        "parameters": [
            *_path_parameters(rule),
            *_header_parameters(contract, rule),
            *(schemas.parameters(contract.query) if contract.query is not None else []),
        ],
        "responses": _describe_responses(schemas, contract, rule),
        **_describe_permission(view.__dict__["permission"]),
        "x-codeSamples": [{"lang": "Shell", "label": "curl", "source": _curl(view, rule, method)}],
    }
    if contract.feature is not None:
        operation["x-feature"] = str(contract.feature)
        operation["description"] += f"\n\nNeeds the feature `{contract.feature}` of the plan."
    if contract.body_types:
        operation["requestBody"] = {"required": True, "content": _describe_body(schemas, contract)}
    return operation


def _describe_permission(permission: str | None) -> Json:
    """Return what a caller needs: a permission, or nothing, not even a token."""
    return {"security": []} if permission is None else {"x-permission": str(permission)}


def _read_docstring(view: View) -> tuple[str, str]:
    summary, _, rest = inspect.cleandoc(view.__doc__ or "").partition("\n\n")
    if not rest:
        raise UndescribedViewError(
            f"The docstring of {view.__name__} is one paragraph. Add a second one, which describes"
            " the operation to clients."
        )
    paragraphs = [" ".join(paragraph.split()) for paragraph in rest.split("\n\n")]
    return " ".join(summary.split()), "\n\n".join(paragraphs)


_ARGUMENT_SCHEMAS: Mapping[str, Json] = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer", "minimum": 0},
}
"""Schemas of arguments of paths, by their converters."""


def _path_parameters(rule: Rule) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _describe_argument(kind, name),
            "schema": dict(_ARGUMENT_SCHEMAS.get(kind, {"type": "string"})),
            "example": _as_json(kind, example_of_argument(kind, name)),
        }
        for kind, name in CONVERTER.findall(rule.rule)
    ]


def _as_json(kind: str, example: str) -> str | int:
    """Return an example of a path's argument as the type of its schema."""
    return int(example) if kind == "int" else example


def _describe_argument(kind: str, name: str) -> str:
    noun = name.removesuffix("_id").replace("_", " ")
    identity = {"uuid": "id", "int": "number"}.get(kind, "name")
    return f"The {identity} of the {noun}."


def _header_parameters(contract: Contract, rule: Rule) -> list[str]:
    return [
        *(["IfMatch"] if contract.matches_versions else []),
        *(["IfNoneMatch"] if _is_shown(contract, rule) else []),
        *(["IdempotencyKey"] if contract.is_keyed else []),
        *(["Prefer"] if contract.deferred is not None else []),
        "RequestId",
        "TraceParent",
    ]


def _describe_responses(schemas: Schemas, contract: Contract, rule: Rule) -> Json:
    responses = {
        str(int(contract.status)): _describe_result(schemas, contract),
        **_describe_deferral(schemas, contract),
        **(RESPONSES_TO_IF_NONE_MATCH if _is_shown(contract, rule) else {}),
        **(RESPONSES_TO_IF_MATCH if contract.matches_versions else {}),
        **(RESPONSES_TO_KEYS if contract.is_keyed else {}),
        **(RESPONSES_TO_CONFLICTS if contract.may_conflict else {}),
        **RESPONSES_OF_ALL,
        **(RESPONSES_OF_PATHS if rule.arguments else {}),
        **(RESPONSES_TO_BODIES if contract.body_types else {}),
    }
    return _in_other_form(responses, contract) if contract.refusals else responses


def _in_other_form(responses: Json, contract: Contract) -> Json:
    """Return the responses with errors that are no problem details."""
    content = {name: dict(one) for name, one in contract.refusals.items()}
    return {
        status: {"description": "An error.", "content": content} if status >= "400" else response
        for status, response in responses.items()
    }


def _is_shown(contract: Contract, rule: Rule) -> bool:
    return contract.has_version and "GET" in (rule.methods or set())


def _describe_body(schemas: Schemas, contract: Contract) -> Json:
    if contract.body is None:
        return {media_type: dict(body) for media_type, body in contract.streams.items()}
    described = {"schema": schemas.body(contract.body), "example": example_of_body(contract.body)}
    return dict.fromkeys(contract.body_types, described)


def _describe_result(schemas: Schemas, contract: Contract) -> Json:
    described: Json = {
        "description": contract.status.phrase,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in _headers_of(contract)
        },
    }
    if contract.answers:
        return described | {"content": {name: dict(one) for name, one in contract.answers.items()}}
    if contract.result is None:
        return described
    is_masked = contract.mask is not None
    example = example_of_answer(contract.result) | ({MASKED_FIELDS: []} if is_masked else {})
    if contract.is_page:
        schema = schemas.page(contract.result, is_masked=is_masked)
        example = {"data": [example], "page": {"next": None, "has_more": False}}
    else:
        schema = schemas.answer(contract.result, is_masked=is_masked)
    content: Json = {JSON_TYPE: {"schema": schema, "example": example}}
    other = {"schema": {"type": "string"}, "example": "…"}
    content |= dict.fromkeys(contract.other_types, other)
    return described | {"content": content}


def _describe_deferral(schemas: Schemas, contract: Contract) -> Json:
    """Return the answer 202 to a client that prefers not to wait."""
    if contract.deferred is None:
        return {}
    deferral = replace(contract, status=HTTPStatus.ACCEPTED, result=contract.deferred, mask=None)
    described = _describe_result(schemas, deferral)
    described["headers"]["Location"] = {"$ref": "#/components/headers/Location"}
    return {str(int(HTTPStatus.ACCEPTED)): described}


def _headers_of(contract: Contract) -> list[str]:
    return [
        "X-Request-ID",
        "traceparent",
        *(["ETag"] if contract.has_version else []),
        *(["Location"] if contract.creates or contract.located_at else []),
        *(["Idempotency-Replayed"] if contract.is_keyed else []),
    ]


def _curl(view: View, rule: Rule, method: str) -> str:
    """Return a command that sends an example of the request."""
    contract, is_public = contract_of(view), view.__dict__["permission"] is None
    needed = {
        name: example_of_parameter(field)
        for name, field in (contract.query.fields if contract.query else {}).items()
        if field.required
    }
    path = CONVERTER.sub(lambda found: example_of_argument(found[1], found[2]), rule.rule)
    query = f"?{urlencode(needed)}" if needed else ""
    parts = [
        f'curl "$TRIALLY_URL{path}{query}"',
        *([] if is_public else ['-H "Authorization: Bearer $TRIALLY_TOKEN"']),
    ]
    if method != ("POST" if contract.body_types else "GET"):
        parts.insert(1, f"-X {method}")
    if contract.matches_versions:
        parts.append("-H 'If-Match: \"1\"'")
    if contract.body_types:
        parts.append(f"-H 'Content-Type: {contract.body_types[0]}'")
    if contract.body is not None:
        parts.append(f"-d '{json.dumps(example_of_body(contract.body))}'")
    elif contract.body_types:
        parts.append("--data-binary @records.ndjson")
    return " \\\n  ".join(parts)
