"""Keep as many tenants ready as `TRIALLY_READY_TENANTS` says, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg2
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from trially.errors import OperatorError
from trially.state import app_state
from trially.tenancy.advisory_locks import READY_LOCK
from trially.tenancy.catalog import PlacementRecord, Server, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.lifecycle.attempts import OperationBusyError
from trially.tenancy.lifecycle.operations import undo_operation
from trially.tenancy.lifecycle.ready_tenants import (
    count_ready,
    discard_ready,
    prepare_ready,
    unfinished_preparations,
)
from trially.tenancy.pinning import is_served
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.tiers import TIERS

Failure = (OperatorError, psycopg2.Error, SQLAlchemyError)
"""What may go wrong on one server without stopping the work on others."""


class AlreadyFillingError(OperatorError):
    """Another process creates or removes ready tenants."""


@dataclass
class Stock:
    """The ready tenants of one tier on one server, and what was done to have as many as wanted."""

    server: str
    tier: Tier
    server_id: UUID
    wanted: int
    ready: int
    created: int = 0
    removed: int = 0
    error: str | None = None

    def fill(self) -> None:
        """Create or remove ready tenants. A failure is kept as a sentence."""
        try:
            self._replace_outdated()
            while self.ready < self.wanted:
                prepare_ready(self.tier, self.server_id)
                self.ready, self.created = self.ready + 1, self.created + 1
            while self.ready > self.wanted and discard_ready(self.tier, self.server_id):
                self.ready, self.removed = self.ready - 1, self.removed + 1
        except Failure as failure:
            self.error = describe_failure(failure)

    def _replace_outdated(self) -> None:
        while self.ready and discard_ready(self.tier, self.server_id, is_behind=True):
            self.ready, self.removed = self.ready - 1, self.removed + 1


def fill_ready() -> list[Stock]:
    """Create the ready tenants that are missing, and remove those that are too many.

    What a killed process left half created is removed first. Ready tenants that lack migrations
    are replaced. Raises `AlreadyFillingError` if another process does this at the moment.
    """
    with _exclusively():
        _undo_interrupted()
        stocks = read_stocks()
        for stock in stocks:
            stock.fill()
        return stocks


def read_stocks() -> list[Stock]:
    """Return how many tenants of each tier are ready and wanted on each server."""
    settings = app_state().ready_tenants
    with catalog_transaction() as session:
        servers = session.scalars(select(Server).order_by(Server.created_at)).all()
        ready, tenants = count_ready(session), _count_tenants(session)
    stocks = []
    for server in servers:
        room = _room(server, tenants.get(server.id, 0))
        for tier in TIERS:
            wanted = min(settings.get(tier, 0) if _accepts(server, tier) else 0, room)
            room -= wanted
            have = ready.get((server.id, tier), 0)
            if wanted or have:
                stocks.append(Stock(server.name, tier, server.id, wanted, have))
    return stocks


def _undo_interrupted() -> None:
    """Remove what killed processes left. A server that does not answer is tried the next time."""
    with catalog_transaction() as session:
        interrupted = unfinished_preparations(session)
    for operation_id in interrupted:
        try:
            undo_operation(operation_id, "interrupted")
        except (OperationBusyError, *Failure):
            continue


def _accepts(server: Server, tier: Tier) -> bool:
    return not server.is_draining and (not server.tiers or tier in server.tiers)


def _room(server: Server, tenants: int) -> int:
    """Return how many more tenants a server takes."""
    return 1 << 30 if server.capacity is None else max(0, server.capacity - tenants)


def _count_tenants(session: Session) -> dict[UUID, int]:
    rows = session.execute(
        select(PlacementRecord.server_id, func.count())
        .join(Tenant, Tenant.id == PlacementRecord.tenant_id)
        .where(PlacementRecord.is_active, is_served())
        .group_by(PlacementRecord.server_id)
    )
    return dict(rows.all())


@contextmanager
def _exclusively() -> Iterator[None]:
    with control_engine().connect() as catalog:
        if not catalog.scalar(select(func.pg_try_advisory_lock(READY_LOCK))):
            raise AlreadyFillingError(
                "Another process creates or removes ready tenants at the moment. It does all that"
                " is needed."
            )
        catalog.commit()
        try:
            yield
        finally:
            catalog.scalar(select(func.pg_advisory_unlock(READY_LOCK)))
            catalog.commit()
