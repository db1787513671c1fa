"""Where a tenant's rows were at a time, as the catalog's log tells."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.operators.model import OperatorAction, Stage
from trially.tenancy.recovery.errors import OutsideIntervalError, RecoveryError

_CHANGE = "placement "
"""What the actions of the log's records about placements begin with."""


@dataclass(frozen=True)
class PastPlacement:
    """Where a tenant's rows were at a time."""

    server: str
    tier: Tier
    database: str
    schema: str


def placement_at(tenant_id: UUID, at: dt.datetime) -> PastPlacement:
    """Return where a tenant's rows were at a time.

    The changes since then are taken back from today's rows of the catalog, newest first. So the log
    need not reach back to the creation of the tenant.
    Raises `OutsideIntervalError` if the tenant did not exist, and `RecoveryError` if its server is
    no longer registered.
    """
    names = ("tier", "database", "schema", "server_id", "is_active")
    with catalog_transaction() as session:
        rows: dict[str, dict[str, Any]] = {
            str(record.id): {name: getattr(record, name) for name in names}
            for record in session.scalars(
                select(PlacementRecord).where(PlacementRecord.tenant_id == tenant_id)
            )
        }
        changes = session.execute(
            select(OperatorAction.action, OperatorAction.target, OperatorAction.details)
            .where(
                OperatorAction.tenant_id == tenant_id,
                OperatorAction.stage == Stage.NOTED,
                OperatorAction.action.startswith(_CHANGE),
                OperatorAction.at > at,
            )
            .order_by(OperatorAction.at.desc(), OperatorAction.id.desc())
        ).all()
        for action, target, details in changes:
            _take_back(rows, action.removeprefix(_CHANGE), target, details)
        active = next((row for row in rows.values() if row["is_active"]), None)
        if active is None:
            raise OutsideIntervalError(
                f"The tenant did not exist at {at.isoformat()}. Choose a later time."
            )
        server = session.get(Server, UUID(str(active["server_id"])))
    if server is None:
        raise RecoveryError(
            f"At {at.isoformat()} the tenant was on a server that is no longer registered. Register"
            " it again, or restore an archive of the tenant."
        )
    return PastPlacement(server.name, Tier(active["tier"]), active["database"], active["schema"])


def _take_back(
    rows: dict[str, dict[str, Any]], action: str, target: str, details: dict[str, Any]
) -> None:
    """Take one change of a placement back."""
    if action == "insert":
        rows.pop(target, None)
    elif action == "delete":
        rows[target] = details["old"]
    elif target in rows:
        rows[target] = {**rows[target], **details["old"]}
