"""Read SCIM bodies, and write resources, with `scim2_models`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError
from scim2_models import Context, Error, PatchOp, ResponseParameters, SCIMException

from trially.http.problems import BadRequest
from trially.http.reading import read_json_in
from trially.scim.answers import Json
from trially.scim.problems import SCIM_KIND, SCIM_TYPE, refused
from trially.scim.resources import POLICY, Group, User

MOST_OPERATIONS = 500
LONGEST_PATH = 500
MOST_PARENTHESES = 10
"""In a path. `scim2_models` parses paths by recursion, and names of members as paths."""

BODY_TYPES = (SCIM_TYPE, "application/json")

Known = TypeVar("Known", User, Group)


def read_new(model: type[Known]) -> Known:
    """Return the resource in the body of a POST, or answer 400."""
    return _load(model, _read_object(), Context.RESOURCE_CREATION_REQUEST)


def read_replacement(model: type[Known], stored: Known) -> Known:
    """Return the resource in the body of a PUT, which replaces a stored one, or answer 400."""
    with _refusing():
        replacement = _load(model, _read_object(), Context.RESOURCE_REPLACEMENT_REQUEST)
        replacement.replace(stored)
    return replacement


def read_operations() -> list[Any]:
    """Return the operations in the body of a PATCH, or answer 400."""
    body = _read_object()
    named = {name.lower(): value for name, value in body.items()}
    operations = named.get("operations")
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise refused("invalidSyntax", "The body needs the array Operations.")
    if len(operations) > MOST_OPERATIONS:
        raise refused("tooMany", f"A PATCH may have at most {MOST_OPERATIONS} operations.")
    for operation in operations:
        for path in (operation.get("path"), *_names_in(operation.get("value"))):
            _refuse_complex(path)
    return operations


def patch(stored: Known, operations: list[Any], resource_id: UUID) -> None:
    """Apply the operations of a PATCH to a stored resource, all of them, or answer 400."""
    for operation in operations:
        _drop_own_id(operation, str(resource_id))
    message = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    }
    with _refusing():
        patch_op: Any = PatchOp.__class_getitem__(type(stored))
        patch_op.model_validate(
            message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
        ).patch(stored, scim_policy=POLICY)


def stored_resource(model: type[Known], values: Mapping[str, Any]) -> Known:
    """Return a stored resource, with the members that an answer would have."""
    return _load(model, dict(values), Context.DEFAULT)


def write(model: type[Known], values: Mapping[str, Any], query: Mapping[str, Any]) -> Json:
    """Return a resource as an answer shows it, with the attributes that the query requests."""
    _refuse_complex(query.get("attributes"))
    _refuse_complex(query.get("excluded_attributes"))
    with _refusing():
        parameters: Any = ResponseParameters.__class_getitem__(model)
        shown = parameters(
            attributes=query.get("attributes"),
            excluded_attributes=query.get("excluded_attributes"),
        )
    return stored_resource(model, values).model_dump(
        scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=shown
    )


def _read_object() -> Json:
    body = read_json_in(BODY_TYPES)
    if not isinstance(body, dict):
        raise refused("invalidSyntax", "The body must be an object.")
    return body


def _load(model: type[Known], body: Json, context: Context) -> Known:
    with _refusing():
        return model.model_validate(body, scim_ctx=context, scim_policy=POLICY)


def _names_in(value: Any) -> Iterator[str]:
    """Yield the names of all members within a value."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else ():
        yield from _names_in(inner)
    for inner in value if isinstance(value, list) else ():
        yield from _names_in(inner)


def _refuse_complex(path: Any) -> None:
    """Answer 400 for a path that is too long or nested too deep."""
    if isinstance(path, str) and (len(path) > LONGEST_PATH or path.count("(") > MOST_PARENTHESES):
        raise refused(
            "invalidPath",
            f"Paths have at most {LONGEST_PATH} characters and {MOST_PARENTHESES} parentheses.",
        )


def _drop_own_id(operation: Json, resource_id: str) -> None:
    """Remove the resource's own id from an operation's value. Okta sends it with a new name."""
    value = operation.get("value")
    if operation.get("path") is None and isinstance(value, dict) and value.get("id") == resource_id:
        operation["value"] = {name: one for name, one in value.items() if name != "id"}


@contextmanager
def _refusing() -> Iterator[None]:
    """Answer 400 for what `scim2_models` refuses, with SCIM's keyword. It names no value."""
    try:
        yield
    except ValidationError as error:
        first = Error.from_validation_errors(error.errors(include_input=False))[0]
        raise _problem(first.scim_type, first.detail) from None
    except SCIMException as error:
        if isinstance(error.__cause__, ValidationError):
            first = Error.from_validation_errors(error.__cause__.errors(include_input=False))[0]
            raise _problem(error.scim_type, first.detail) from None
        raise _problem(error.scim_type, error.detail) from None


def _problem(kind: str | None, detail: str | None) -> BadRequest:
    extensions = {SCIM_KIND: kind} if kind else {}
    return BadRequest(f"The request is invalid: {detail}.", extensions=extensions)
