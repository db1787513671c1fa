"""Refuse objects and rows of another tenant than the current one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState

from trially.database.placement import WrongTenantError, current_placement


def check_objects(*items: object) -> None:
    """Raise `WrongTenantError` if an object belongs to another tenant than the current one.

    An object belongs to the tenant in its `tenant_id`, and also to the one that it was loaded from.
    Loads nothing, so an expired or detached object is checked too.
    """
    tenant_id = current_placement().tenant_id
    for item in items:
        if any(owner != tenant_id for owner in _owners_of(inspect(item, raiseerr=True))):
            raise WrongTenantError("This object belongs to another tenant.")


def check_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Raise `WrongTenantError` if a mapping names another tenant than the current one."""
    tenant_id = current_placement().tenant_id
    if any(row.get("tenant_id", tenant_id) != tenant_id for row in rows):
        raise WrongTenantError("This row belongs to another tenant.")


def with_merged(item: object) -> Iterator[object]:
    """Yield an object and those that a merge copies with it."""
    state: InstanceState[Any] = inspect(item, raiseerr=True)
    yield item
    for related, *_ in state.mapper.cascade_iterator("merge", state):
        yield related


def _owners_of(state: InstanceState[Any]) -> Iterator[object]:
    """Yield the tenants that an object belongs to: one, or none if it is new."""
    owner = state.dict.get("tenant_id")
    if owner is not None:
        yield owner
    if state.identity is not None:
        keys = (column.key for column in state.mapper.primary_key)
        yield dict(zip(keys, state.identity, strict=True)).get("tenant_id", owner)
