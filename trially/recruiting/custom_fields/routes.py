"""Routes of the definitions of custom fields."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    may_conflict,
    queries,
    returns_nothing,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.recruiting.custom_fields.defining import define, delete, redefine
from trially.recruiting.custom_fields.model import CustomField
from trially.recruiting.custom_fields.schema import (
    CustomFieldBodySchema,
    CustomFieldQuerySchema,
    CustomFieldSchema,
)
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("custom_fields", __name__, url_prefix="/custom-fields")

columns = table_of(CustomField).c

CUSTOM_FIELDS = Resource(
    CustomField,
    CustomFieldSchema(),
    scope=WHOLE_TENANT,
    filters={
        "resource": equals(columns.resource),
        "is_archived": equals(columns.is_archived),
    },
)


@bp.get("")
@requires(Permission.CUSTOM_FIELDS_READ)
@queries(CustomFieldQuerySchema())
@returns_page(CustomFieldSchema())
def list_custom_fields(query: dict[str, Any]) -> Page:
    """List custom fields, oldest first.

    These are the tenant's own fields of patients, studies and sites. `resource` narrows the list.
    """
    return CUSTOM_FIELDS.page(query)


@bp.post("")
@requires(Permission.CUSTOM_FIELDS_WRITE)
@may_conflict
@accepts(CustomFieldBodySchema())
@returns_version(CustomFieldSchema(), HTTPStatus.CREATED)
def create_custom_field(body: dict[str, Any]) -> Item:
    """Define a custom field.

    The rows of the resource then have it in `custom`. A field of patients is an identifier, unless
    `phi` says `none`: then members who see no identifiers see it too. A resource has at most 50
    custom fields, or the answer is 409.
    """
    return define(CUSTOM_FIELDS, body)


@bp.get("/<uuid:custom_field_id>")
@requires(Permission.CUSTOM_FIELDS_READ)
@returns_version(CustomFieldSchema())
def show_custom_field(custom_field_id: UUID) -> Item:
    """Show a custom field.

    It is the definition. The values are in `custom` of patients, studies and sites.
    """
    return CUSTOM_FIELDS.get(custom_field_id)


@bp.patch("/<uuid:custom_field_id>")
@requires(Permission.CUSTOM_FIELDS_WRITE)
@matches_versions
@accepts_merge_patch(CustomFieldSchema(partial=True))
@returns_version(CustomFieldSchema())
def change_custom_field(
    custom_field_id: UUID, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Change a custom field.

    The body is a merge patch (RFC 7396). Resource, name and type never change. Stored values stay
    when the field is archived, and when one of its choices is removed. `phi` counts from the next
    request on.
    """
    return redefine(CUSTOM_FIELDS, custom_field_id, versions, body)


@bp.delete("/<uuid:custom_field_id>")
@requires(Permission.CUSTOM_FIELDS_WRITE)
@matches_versions
@may_conflict
@returns_nothing
def delete_custom_field(custom_field_id: UUID, versions: Versions | None) -> None:
    """Delete a custom field that was never used.

    If a row has ever had a value of it, the answer is 409. Archive the field then, so that no value
    is lost.
    """
    delete(CUSTOM_FIELDS, custom_field_id, versions)
