"""Check the custom values that a client writes against the tenant's definitions."""

from collections.abc import Mapping
from typing import Any

from trially.http.masking import refuse_masked
from trially.http.problems import to_pointers, validation_failed
from trially.recruiting.custom_fields.choices import CustomResource
from trially.recruiting.custom_fields.definitions import identifiers_among, lock_definitions
from trially.recruiting.custom_fields.values import CUSTOM, Definition, UnfitValueError


def check_new(resource: CustomResource, body: Mapping[str, Any]) -> None:
    """Answer 422 if the values of a new row do not fit the tenant's fields."""
    values = body.get(CUSTOM, {})
    _check(values, _locked(resource, values))


def check_patch(resource: CustomResource, body: Mapping[str, Any]) -> None:
    """Answer 422 if the values of a merge patch do not fit the tenant's fields.

    Null removes a value. Answers 403 if a field is masked for the caller.
    """
    values = body.get(CUSTOM, {})
    known = _locked(resource, values)
    refuse_masked(identifiers_among(known, values))
    _check(values, known)


def _locked(resource: CustomResource, values: Mapping[str, Any]) -> Mapping[str, Definition]:
    """Return the fields that values name, locked until the end of the transaction."""
    written = {name for name, value in values.items() if value is not None}
    return lock_definitions(resource, values.keys(), written) if values else {}


def _check(values: Mapping[str, Any], known: Mapping[str, Definition]) -> None:
    found = {name: _problem(known.get(name), value) for name, value in values.items()}
    problems = {name: problem for name, problem in found.items() if problem is not None}
    if problems:
        raise validation_failed(list(to_pointers({CUSTOM: problems})))


def _problem(field: Definition | None, value: object) -> str | None:
    if field is None:
        return "There is no such custom field."
    if value is None:
        return None
    if field.is_archived:
        return "The field is archived, so it takes no new values."
    try:
        field.check(value)
    except UnfitValueError as problem:
        return str(problem)
    return None
