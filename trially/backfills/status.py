"""How far the backfills of each tenant are."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from flask import Flask, current_app

from trially.backfills.filling import NOWHERE, Position, acting_for, read_position, rows_left
from trially.backfills.registry import NamedBackfill
from trially.backfills.running import needs_migration
from trially.database.session import db
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.migrating.pacing import is_lost_server
from trially.tenancy.schema.failures import describe_failure

SERVERS_AT_A_TIME = 8

NOT_BEGUN, NOT_MIGRATED, UNKNOWN = "not_begun", "not_migrated", "unknown"

Item = dict[str, Any]


def read_positions(
    backfills: Sequence[NamedBackfill], records: Sequence[PlacementRecord]
) -> list[Item]:
    """Return one item for each tenant and backfill. A tenant that does not answer is `unknown`."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    in_order = sorted(records, key=lambda record: record.server.name)
    by_server = [list(of) for _, of in groupby(in_order, key=lambda record: record.server.name)]

    def read(of_server: Sequence[PlacementRecord]) -> list[Item]:
        return list(_read_server(app, backfills, of_server))

    with ThreadPoolExecutor(SERVERS_AT_A_TIME, thread_name_prefix="positions") as pool:
        return [item for items in pool.map(read, by_server) for item in items]


def _read_server(
    app: Flask, backfills: Sequence[NamedBackfill], records: Sequence[PlacementRecord]
) -> Iterator[Item]:
    lost: str | None = None
    for record in records:
        for named in backfills:
            if needs_migration(record, named):
                yield _item(record, named, NOT_MIGRATED)
                continue
            if lost is not None:
                yield _item(record, named, UNKNOWN, error=lost)
                continue
            try:
                with app.app_context():
                    position, left = _read(record.tenant.slug, named)
            except Exception as error:  # noqa: BLE001  other tenants must be read
                lost = describe_failure(error) if is_lost_server(error) else None
                yield _item(record, named, UNKNOWN, error=describe_failure(error))
            else:
                state = position.state or NOT_BEGUN
                yield _item(record, named, state, position, position.error, left)


def _read(slug: str, named: NamedBackfill) -> tuple[Position, int]:
    """Return how far a tenant is, and how many rows are left."""
    with acting_for(slug, named.name):
        position, left = read_position(named.name), rows_left(named)
        db.session.rollback()
        return position, left


def _item(
    record: PlacementRecord,
    named: NamedBackfill,
    state: str,
    position: Position = NOWHERE,
    error: str | None = None,
    left: int | None = None,
) -> Item:
    rate = position.rate
    return {
        "slug": record.tenant.slug,
        "server": record.server.name,
        "backfill": named.name,
        "state": str(state),
        "visited": position.visited,
        "changed": position.changed,
        "left": left,
        "rate": None if rate is None else round(rate, 1),
        "seconds_left": None if not rate or left is None else round(left / rate, 1),
        "error": error,
    }
