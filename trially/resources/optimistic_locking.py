"""Optimistic locking: change a row only if it still has a version that the client read."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from trially.database.rows import Item, Model, delete_item, find_item, update_item
from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.problems import PreconditionFailed


def change_seen(
    model: Model,
    item_id: UUID,
    versions: Versions | None,
    values: Mapping[str, Any],
    names: Sequence[str],
    *conditions: ColumnElement[bool],
) -> Item | None:
    """Change a row that has one of these versions, and return its named columns.

    Returns None if no row meets the conditions. Raises `PreconditionFailed` if the row that meets
    them has another version.
    """
    changed = update_item(model, item_id, values, names, *conditions, versions=versions)
    if changed is None:
        _refuse_other_version(model, item_id, conditions)
    return changed


def delete_seen(
    model: Model, item_id: UUID, versions: Versions | None, *conditions: ColumnElement[bool]
) -> bool:
    """Delete a row that has one of these versions; return False if no row meets the conditions.

    Raises `PreconditionFailed` if the row that meets them has another version.
    """
    is_deleted = delete_item(model, item_id, *conditions, versions=versions)
    if not is_deleted:
        _refuse_other_version(model, item_id, conditions)
    return is_deleted


def _refuse_other_version(
    model: Model, item_id: UUID, conditions: Sequence[ColumnElement[bool]]
) -> None:
    """Raise if the row exists. The statement's WHERE held the versions, so it matched no row."""
    if find_item(model, item_id, ("id",), *conditions) is not None:
        raise PreconditionFailed(
            "The record has changed since that version. Read it again.", code=Code.VERSION_CONFLICT
        )
