"""Define, change and delete custom fields."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from trially.database.placement import current_placement
from trially.database.rows import Item, lock_item, of_current_tenant, table_of
from trially.database.session import db
from trially.http.etags import Versions
from trially.http.problems import Conflict, validation_failed
from trially.recruiting.custom_fields.choices import CustomPhi, CustomResource, CustomType
from trially.recruiting.custom_fields.model import CustomField
from trially.resources.resource import Resource

MOST_FIELDS = 50
"""Fields of one resource of a tenant, archived ones included."""

_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


def define(custom_fields: Resource, body: Mapping[str, Any]) -> Item:
    """Create a field. Answers 409 if the resource has as many as it may have."""
    _refuse_many(body["resource"])
    default = CustomPhi.IDENTIFIER if body["resource"] == CustomResource.PATIENT else CustomPhi.NONE
    values = {"phi": default, "choices": [], **body}
    _refuse_unfit(values, values)
    return custom_fields.create(values)


def redefine(
    custom_fields: Resource, field_id: UUID, versions: Versions | None, body: Mapping[str, Any]
) -> Item:
    """Change what may change of a field."""
    _refuse_unfit(body, {**custom_fields.get(field_id), **body})
    return custom_fields.change(field_id, versions, body)


def delete(custom_fields: Resource, field_id: UUID, versions: Versions | None) -> None:
    """Delete a field, or answer 409 if a row has had a value."""
    custom_fields.get(field_id)
    # A transaction that writes the first value holds the row.
    locked = lock_item(CustomField, field_id, ("is_used",))
    if locked is not None and locked["is_used"]:
        raise Conflict("Rows have had values of this field. Archive it instead.")
    custom_fields.delete(field_id, versions)


def _refuse_many(resource: str) -> None:
    key = f"custom fields {current_placement().tenant_id}"
    db.session.execute(_TAKE_TURNS, {"key": key})
    count = db.session.scalar(
        select(func.count())
        .select_from(table_of(CustomField))
        .where(of_current_tenant(CustomField), table_of(CustomField).c.resource == resource)
    )
    if count is not None and count >= MOST_FIELDS:
        raise Conflict(
            f"A resource has at most {MOST_FIELDS} custom fields. Delete one that was never used."
        )


def _refuse_unfit(body: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    """Answer 422 if members of a body do not go with the field's resource or type."""
    errors = []
    has_choices = whole["type"] == CustomType.CHOICE
    if has_choices and not whole["choices"]:
        errors.append({"pointer": "/choices", "detail": "Must have at least one choice."})
    if not has_choices and whole["choices"]:
        errors.append({"pointer": "/choices", "detail": "Must be empty for this type."})
    if whole["phi"] == CustomPhi.IDENTIFIER and whole["resource"] != CustomResource.PATIENT:
        detail = "Must be none: only patients have identifiers."
        errors.append({"pointer": "/phi", "detail": detail})
    if errors and body:
        raise validation_failed(errors)
