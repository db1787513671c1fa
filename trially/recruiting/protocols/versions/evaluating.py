"""How many criteria of versions the machine evaluates, and how many are left to people."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, func, not_, or_, select, type_coerce

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.recruiting.protocols.versions.model import Criterion, Evaluation, ReviewState

_criterion = table_of(Criterion).c
_DIGITS = 4
"""Of the share."""


def evaluations_of(version_ids: Collection[UUID]) -> dict[UUID, Item]:
    """Return what is evaluated of each version, as `EvaluationSchema` shows it."""
    if not version_ids:
        return {}
    counts = [_count(name, condition) for name, condition in _conditions().items()]
    rows = fetch_items(
        select(_criterion.protocol_version_id, func.count().label("criteria"), *counts)
        .where(of_current_tenant(Criterion), _criterion.protocol_version_id.in_(version_ids))
        .group_by(_criterion.protocol_version_id)
    )
    found = {row.pop("protocol_version_id"): _with_share(row) for row in rows}
    return {each: found.get(each) or nothing_to_evaluate() for each in version_ids}


def evaluation_of(version_id: UUID) -> Item:
    """Return what is evaluated of one version."""
    return evaluations_of([version_id])[version_id]


def nothing_to_evaluate() -> Item:
    """Return the evaluation of a version without criteria."""
    return _with_share(dict.fromkeys(["criteria", *_conditions()], 0))


def _conditions() -> dict[str, ColumnElement[bool]]:
    """Return the conditions of all kinds of criteria. Each criterion meets one of the first five.

    A part that a person decides, or that the language cannot say, is a leaf within an expression.
    """
    is_expressed = _criterion.evaluation == Evaluation.EXPRESSED
    asks_people, is_unsupported = _is_all("manual"), _is_all("unsupported")
    has_open_part = or_(_has_part("manual"), _has_part("unsupported"))
    return {
        "evaluated": and_(is_expressed, not_(has_open_part)),
        "partly": and_(is_expressed, has_open_part, not_(or_(asks_people, is_unsupported))),
        "manual": or_(_criterion.evaluation == Evaluation.MANUAL, and_(is_expressed, asks_people)),
        "unsupported": or_(
            _criterion.evaluation == Evaluation.UNSUPPORTED, and_(is_expressed, is_unsupported)
        ),
        "not_expressed": _criterion.evaluation == Evaluation.NOT_EXPRESSED,
        "not_reviewed": _criterion.review_state != ReviewState.REVIEWED,
    }


def _is_all(kind: str) -> ColumnElement[bool]:
    """Return whether an expression is nothing but a leaf of a kind."""
    has_kind: ColumnElement[bool] = _criterion.expression.has_key(type_coerce(kind, Text))
    return has_kind


def _has_part(kind: str) -> ColumnElement[bool]:
    """Return whether a leaf of a kind is anywhere in an expression."""
    return func.jsonb_path_exists(_criterion.expression, f"$.**.{kind}")


def _count(name: str, condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.count().filter(condition).label(name)


def _with_share(counts: Item) -> Item:
    criteria = counts["criteria"]
    share = round(counts["evaluated"] / criteria, _DIGITS) if criteria else None
    return {**counts, "share": share}
