"""Evaluate the rules of alerts on the audit records that are new since the last time.

Records are read in the order of their transactions, up to the oldest one that is still open. So no
record is left out because its transaction was committed late. A step reads a limited number of
records, and commits the alerts together with the position that it reached.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from flask import current_app
from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import Uuid

from trially.audit.finding import first_id
from trially.audit.working import working
from trially.auditing.alerts.limits import Limits, read_limits
from trially.auditing.alerts.model import AuditAlert, AuditAlertPosition
from trially.database.placement import current_placement
from trially.database.rows import (
    Item,
    columns_named,
    fetch_items,
    insert_item,
    of_current_tenant,
    table_of,
    update_item,
)
from trially.database.session import db, transaction
from trially.observability.metrics import audit_alerts_total
from trially.tenancy.context import current_tenant

STEP = 10_000
"""The most records of one transaction of an evaluation."""

SLACK = dt.timedelta(hours=1)
"""The most that a record's own time may be after the time in its id: a request's duration."""

_NEW_RECORDS = text(
    """
    SELECT epoch, transaction_id, at FROM audit_record
    WHERE tenant_id = :tenant_id AND (epoch, transaction_id) > (:epoch, :transaction_id)
    AND (epoch < :current_epoch
        OR transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
    ORDER BY epoch, transaction_id LIMIT :step
    """
)
_SHOWN = ("id", "rule", "member_id", "operator", "since", "until", "count", "threshold")
alert = table_of(AuditAlert).c


class Position(NamedTuple):
    """The transaction of an audit record."""

    epoch: int
    transaction_id: int


class Step(NamedTuple):
    """The new records of one transaction of an evaluation."""

    start: Position
    end: Position
    earliest: dt.datetime


def evaluate() -> Iterator[Item]:
    """Evaluate the rules of the current tenant on all new records, and yield the new alerts."""
    while True:
        with working(), transaction():
            step = _next_step()
            found = [] if step is None else list(_evaluate_step(step))
        if step is None:
            return
        for each in found:
            _announce(each)
        yield from found


def _next_step() -> Step | None:
    """Return the records that no rule has seen; None if there are none.

    The position is locked, so that only one process evaluates a tenant's records.
    """
    start = _lock_position()
    rows = db.session.execute(
        _NEW_RECORDS,
        {
            "tenant_id": current_placement().tenant_id,
            "current_epoch": current_placement().epoch,
            "step": STEP,
            **start._asdict(),
        },
    ).all()
    if not rows:
        return None
    end = Position(rows[-1].epoch, rows[-1].transaction_id)
    return Step(start, end, min(row.at for row in rows))


def _evaluate_step(step: Step) -> Iterator[Item]:
    for limits in read_limits():
        if limits.is_enabled:
            for finding in _find(limits, step):
                raised = _raise_alert(limits, finding)
                if raised is not None:
                    yield raised
    _move_position(step.end)


def _find(limits: Limits, step: Step) -> list[Item]:
    """Return who is above a rule's threshold, and when."""
    window = dt.timedelta(minutes=limits.window_minutes)
    parameters: dict[str, Any] = {
        "tenant_id": current_placement().tenant_id,
        "from_epoch": step.start.epoch,
        "from_transaction": step.start.transaction_id,
        "to_epoch": step.end.epoch,
        "to_transaction": step.end.transaction_id,
        "lowest_id": first_id(step.earliest - window - SLACK),
        "threshold": limits.threshold,
        "window_minutes": limits.window_minutes,
    }
    if limits.rule.opens_at is not None:
        parameters |= {
            "zone": current_tenant().time_zone,
            "opens_at": limits.opens_at,
            "closes_at": limits.closes_at,
        }
    statement = text(limits.rule.query).bindparams(
        bindparam("tenant_id", type_=Uuid), bindparam("lowest_id", type_=Uuid)
    )
    rows = db.session.execute(statement, parameters).mappings()
    return [dict(row) for row in rows]


def _raise_alert(limits: Limits, finding: Item) -> Item | None:
    """Insert an alert and return it, unless an alert of the same window can be extended."""
    former = _overlapping(limits, finding)
    if former is None or (
        former["is_acknowledged"] and finding["count"] > former["count"] + limits.threshold
    ):
        values = finding | {"rule": limits.rule.name, "threshold": limits.threshold}
        return insert_item(AuditAlert, values, _SHOWN)
    if not former["is_acknowledged"]:
        changes = {name: finding[name] for name in ("until", "record_id")}
        changes["count"] = max(finding["count"], former["count"])
        update_item(AuditAlert, former["id"], changes, ("id",))
    return None


def _overlapping(limits: Limits, finding: Item) -> Item | None:
    """Return the last alert of the same rule and person whose window overlaps."""
    rows = fetch_items(
        select(*columns_named(AuditAlert, ("id", "count", "is_acknowledged")))
        .where(
            of_current_tenant(AuditAlert),
            alert.rule == limits.rule.name,
            alert.member_id.is_not_distinct_from(finding["member_id"]),
            alert.operator.is_not_distinct_from(finding["operator"]),
            alert.until >= finding["since"],
        )
        .order_by(alert.id.desc())
        .limit(1)
    )
    return rows[0] if rows else None


def _announce(raised: Item) -> None:
    """Tell operators, in the log and in the metrics. An alert names no patient."""
    audit_alerts_total.labels(raised["rule"]).inc()
    current_app.logger.warning(
        "Alert %s of the tenant %s: %d, more than %d. Member: %s, operator: %s, alert: %s.",
        raised["rule"],
        current_tenant().slug,
        raised["count"],
        raised["threshold"],
        raised["member_id"],
        raised["operator"],
        raised["id"],
    )


def _lock_position() -> Position:
    tenant_id: UUID = current_placement().tenant_id
    table = table_of(AuditAlertPosition)
    db.session.execute(
        insert(table).values(tenant_id=tenant_id, id=tenant_id).on_conflict_do_nothing()
    )
    row = db.session.execute(
        select(table.c.epoch, table.c.transaction_id)
        .where(of_current_tenant(AuditAlertPosition))
        .with_for_update()
    ).one()
    return Position(*row)


def _move_position(end: Position) -> None:
    table = table_of(AuditAlertPosition)
    db.session.execute(
        table.update().where(of_current_tenant(AuditAlertPosition)).values(**end._asdict())
    )
