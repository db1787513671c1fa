"""Note which patients an answer is about, so that the audit record of the request names them.

A schema with PHI marks says in `subjects` which of its fields hold the ids of patients:

    class RecordSchema(Schema):
        subjects = ("patient_id",)

`IN_PATH` stands for the patient that the path of the request names. `subjects = ()` says that the
answer may show something about patients, and that it is not known which. Such a request is recorded
without patients.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import request
from marshmallow import Schema

from trially.http.masking import marks_of
from trially.phi import Phi
from trially.request_state import request_state

Subjects = tuple[str, ...]
_PAGING = frozenset({"limit", "cursor", "total", "sort"})

IN_PATH = "patient_id in the path"
"""Stands for the patient that the path of the request names."""


class DisclosingViewError(RuntimeError):
    """A view that must show no patient has a schema with patients."""


class UnauditedViewError(TypeError):
    """A view shows something about patients, and its answers would not be recorded."""


def subjects_of(schema: Schema) -> Subjects | None:
    """Return the fields of a schema that hold ids of patients; None if it shows no patients.

    Raises `UnauditedViewError` if a field has a PHI mark and the schema does not say `subjects`.
    """
    subjects: Subjects | None = getattr(schema, "subjects", None)
    marked = [name for name, mark in marks_of(schema) if mark is not Phi.NONE]
    if marked and subjects is None:
        raise UnauditedViewError(
            f"{type(schema).__name__}.{marked[0]} shows something about patients, and the schema"
            " does not say which fields hold their ids. Add subjects = (…) to the schema."
        )
    missing = [name for name in subjects or () if name not in (*schema.fields, IN_PATH)]
    if missing:
        raise UnauditedViewError(f"{type(schema).__name__} has no field {missing[0]}.")
    return subjects


def note_disclosed(subjects: Subjects | None, items: Iterable[Mapping[str, Any]]) -> None:
    """Note the patients of the items of an answer."""
    if subjects is None:
        return
    notes = request_state().audit
    notes.discloses = True
    for name in subjects:
        if name == IN_PATH:
            notes.patients.add((request.view_args or {})["patient_id"])
            continue
        notes.patients.update(_ids_of(item[name] for item in items))


def _ids_of(values: Iterable[Any]) -> Iterator[UUID]:
    for value in values:
        if type(value) is UUID:
            yield value
        else:
            yield from ids_in(value)


def note_criteria(subjects: Subjects | None, criteria: Iterable[str]) -> None:
    """Note the names of what patients are searched by. The values may identify a patient."""
    if subjects is not None and (names := sorted(set(criteria) - _PAGING)):
        request_state().audit.details["criteria"] = names


def refuse_unaudited_views(
    views: Mapping[str, Callable[..., Any]], harmless: Iterable[Any]
) -> None:
    """Raise `UnauditedViewError` if a view shows patients and its contract does not say whom.

    `harmless` are the permissions whose views show no patients.
    """
    for endpoint, view in sorted(views.items()):
        contract = view.__dict__.get("contract")
        permission = view.__dict__.get("permission")
        is_silent = contract is not None and contract.status is HTTPStatus.NO_CONTENT
        if permission is None or permission in harmless or is_silent:
            continue
        if contract is None or contract.subjects is None:
            raise UnauditedViewError(
                f"The view of {endpoint!r} needs {permission}, so it shows patients, and it does"
                " not say which. Return a schema that says its subjects."
            )


def refuse_patients_in(
    views: Mapping[str, Callable[..., Any]], permissions: Collection[Any]
) -> None:
    """Raise `DisclosingViewError` if a view with one of these permissions may show a patient."""
    for endpoint, view in sorted(views.items()):
        contract = view.__dict__.get("contract")
        if contract is None or view.__dict__.get("permission") not in permissions:
            continue
        if contract.mask is not None or contract.subjects is not None:
            raise DisclosingViewError(
                f"The view of {endpoint!r} belongs to the platform API, and its answer has fields"
                " about patients. Remove them."
            )


def ids_in(value: UUID | str | list[UUID | str] | None) -> Iterator[UUID]:
    """Yield the ids in a field that holds one, several or none."""
    if isinstance(value, list):
        for each in value:
            yield from ids_in(each)
    elif value is not None:
        yield value if isinstance(value, UUID) else UUID(value)
