"""Read the catalog's log."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.operators.model import OperatorAction, Stage

UNFINISHED = "unfinished"
"""The outcome of an action whose end is not recorded: it is running, or its process died."""


@dataclass(frozen=True)
class ActionFilter:
    """Which records to list. A `target` or `action` that ends with `*` is a beginning."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    actor: str | None = None
    action: str | None = None
    target: str | None = None
    limit: int | None = None


def list_actions(wanted: ActionFilter) -> Sequence[dict[str, Any]]:
    """Return actions with their results, changes and sign-ins, newest first."""
    record, end = OperatorAction, aliased(OperatorAction)
    statement = (
        select(
            record.id,
            record.at,
            end.at.label("ended_at"),
            record.actor,
            record.host,
            record.action,
            record.target,
            record.tenant_id,
            record.reason,
            case(
                (record.stage == Stage.NOTED, None),
                (end.outcome.is_(None), UNFINISHED),
                else_=end.outcome,
            ).label("outcome"),
            record.started.label("part_of"),
            record.details,
            end.details.label("result"),
            record.written_by,
        )
        .outerjoin(end, and_(end.started == record.id, end.stage == Stage.FINISHED))
        .where(record.stage != Stage.FINISHED, *_conditions(wanted))
        .order_by(record.id.desc())
        .limit(wanted.limit)
    )
    with Session(control_engine()) as session:
        return [dict(row._mapping) for row in session.execute(statement)]  # noqa: SLF001


def _conditions(wanted: ActionFilter) -> list[ColumnElement[bool]]:
    record = OperatorAction
    conditions: list[ColumnElement[bool] | None] = [
        None if wanted.since is None else record.at >= wanted.since,
        None if wanted.until is None else record.at < wanted.until,
        None if wanted.actor is None else record.actor == wanted.actor,
        None if wanted.action is None else _like(record.action, wanted.action),
        None if wanted.target is None else _like(record.target, wanted.target),
    ]
    return [each for each in conditions if each is not None]


def _like(column: InstrumentedAttribute[Any], wanted: str) -> ColumnElement[bool]:
    if wanted.endswith("*"):
        return column.startswith(wanted[:-1], autoescape=True)
    return column == wanted
