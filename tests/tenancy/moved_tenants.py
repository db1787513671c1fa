"""What tests ask about a tenant that moves, or has moved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask import Flask
from members import Member
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from tenant_databases import ask

from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving.guards import CLOSED, read_epoch
from trially.tenancy.lifecycle.moving.moves import MoveOptions
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.lifecycle.moving.tables import read_tables
from trially.tenancy.lifecycle.operations import all_operations
from trially.tenancy.servers.connections import execute

OPTIONS = MoveOptions(max_pause=5, give_up_seconds=30)
POOLED, DEDICATED, SCHEMA = Tier.POOLED_ROWS, Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA

LEFT_BEHIND = (
    "SELECT slot_name::text FROM pg_replication_slots WHERE slot_name = ANY (%s)"
    " UNION ALL SELECT subname::text FROM pg_subscription WHERE subname = ANY (%s)"
)
PUBLICATIONS = "SELECT pubname::text FROM pg_publication WHERE pubname = ANY (%s)"


def placements_of(app: Flask, tenant_id: UUID) -> list[PlacementRecord]:
    """Return a tenant's placements: the active one first."""
    with app.app_context(), catalog_transaction() as session:
        return list(
            session.scalars(
                select(PlacementRecord)
                .where(PlacementRecord.tenant_id == tenant_id)
                .order_by(PlacementRecord.is_active.desc(), PlacementRecord.created_at.desc())
                .options(joinedload(PlacementRecord.server))
            )
        )


def writable_sides(app: Flask, tenant_id: UUID) -> list[PlacementRecord]:
    """Return the placements whose guard serves somebody."""
    found = []
    for record in placements_of(app, tenant_id):
        with app.app_context(), side_of(record).administered() as raw:
            if read_epoch(raw, tenant_id) not in (CLOSED, None):
                found.append(record)
    return found


def contents(app: Flask, record: PlacementRecord) -> dict[str, dict[str, int]]:
    """Return the ids and hashes of a tenant's rows at a placement, by table."""
    with app.app_context():
        side = side_of(record)
        tables = read_tables(side)
        with side.reading() as session:
            return {
                name: dict(
                    session.run(f"SELECT id::text, {table.hash.as_string(session.raw)} FROM {name}")
                )
                for name, table in tables.items()
            }


def left_behind(app: Flask, tenant_id: UUID) -> list[Any]:
    """Return the slots, subscriptions and publications that the tenant's moves have left."""
    with app.app_context():
        names = [
            f"trially_move_{each.id.hex}"
            for each in all_operations()
            if each.tenant_id == tenant_id
        ]
    found = ask(app, LEFT_BEHIND, names, names)
    for record in placements_of(app, tenant_id):
        found += ask(app, PUBLICATIONS, names, database=record.database)
    return found


@contextmanager
def at(step: str, do: Callable[[], Any]) -> Iterator[None]:
    """Call a function when a step of decision 0048 begins for the first time."""
    begun = set()

    def look(progress: MoveProgress) -> None:
        if progress.phase == step and step not in begun:
            begun.add(step)
            do()

    progressed.connect(look)
    try:
        yield
    finally:
        progressed.disconnect(look)


def target_of(app: Flask, member: Member) -> PlacementRecord:
    return placements_of(app, member.tenant.id)[1]


def run_at(app: Flask, record: PlacementRecord, statement: str) -> None:
    """Run a statement at a placement, past triggers and the guard, also while the mover writes."""
    with app.app_context():
        side = side_of(record)
        with side.administered() as raw:
            execute(raw, "SET session_replication_role = replica")
            execute(raw, f"SET search_path = {side.schema}")
            execute(raw, statement)


def end_mover(app: Flask) -> None:
    """End all sessions of the mover on its servers."""
    ask(
        app,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'trially-move'",
    )


def assert_unmoved(app: Flask, member: Member, tier: Tier = POOLED) -> None:
    (only,) = placements_of(app, member.tenant.id)
    assert only.tier == tier
    assert [each.id for each in writable_sides(app, member.tenant.id)] == [only.id]
    assert left_behind(app, member.tenant.id) == []
    assert len(member.get("/patients").json["data"]) == 3
