"""Find what would stop a move, before anything is changed."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy.orm import Session

from trially.config import current_settings
from trially.database.connecting import connect
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.moving.blockers import Blocker
from trially.tenancy.lifecycle.moving.catalog_checks import obstacles, refusals
from trially.tenancy.lifecycle.moving.estimating import Estimate, measure_tables
from trially.tenancy.lifecycle.moving.retained_wal import max_retained_wal
from trially.tenancy.lifecycle.moving.server_checks import (
    NOT_OWNER,
    check_decoding,
    check_retained_wal,
    check_source_rights,
    check_target_rights,
    check_transactions,
    sees_all_transactions,
)
from trially.tenancy.lifecycle.moving.table_checks import (
    check_backfills,
    compare_tables,
    read_new_tables,
    read_tables_of,
)
from trially.tenancy.schema.failures import describe_failure
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.preparing import owner_role

SLOW_COPY_BYTES_PER_SECOND = 5 * 2**20
"""How fast a slow copy is. The WAL that it lets the source retain is estimated with it."""

DISK_UNCHECKED = (
    "PostgreSQL does not tell how much disk is free. The target needs about {needed} MiB for the"
    " rows, as much again for indexes and WAL, and the source room for the WAL of the copy."
)
TRANSACTIONS_UNCHECKED = (
    "The administrator of {server!r} does not see the transactions of other roles. An old one would"
    " delay the move. GRANT pg_read_all_stats shows them."
)


def find_blockers(
    source: PlacementRecord,
    target_server: Server,
    target_tier: Tier,
    *,
    kept: PlacementRecord | None,
) -> list[Blocker]:
    """Return what would stop a move of a tenant to a tier on a server. Nothing is changed.

    `kept` is the placement to move back to; without one, the move creates a placement.
    A move that can never be made is told alone. A server that does not answer is a blocker too.
    """
    if refused := list(refusals(source, target_server, target_tier, is_back=kept is not None)):
        return refused
    with Session(control_engine()) as session:
        found = list(obstacles(session, source, target_server, target_tier))
    source_name, target_name = source.server.name, target_server.name
    unanswered = [
        *_on_server(source_name, source.database, partial(_source_blockers, source), found),
        *_on_server(target_name, None, partial(_target_blockers, target_name), found),
    ]
    if not unanswered and not any(blocker.code == NOT_OWNER for blocker in found):
        found += compare_tables(
            read_tables_of(source),
            read_tables_of(kept)
            if kept
            else read_new_tables(target_server, target_tier, source.tenant_id),
        )
    return found + unanswered


def find_unchecked(source: PlacementRecord, estimated: Estimate) -> list[str]:
    """Return as sentences what no check can know, so that the operator looks at it."""
    unchecked = [DISK_UNCHECKED.format(needed=max(1, estimated.bytes // 2**20))]
    with server_access(source.server.name).administer(source.database) as raw:
        if not sees_all_transactions(raw):
            unchecked.append(TRANSACTIONS_UNCHECKED.format(server=source.server.name))
    return unchecked


def _on_server(
    name: str,
    database: str | None,
    check: Callable[[connection], Iterator[Blocker]],
    found: list[Blocker],
) -> list[Blocker]:
    """Add what a check finds on a server. Return a blocker if the server does not answer."""
    try:
        url = server_access(name).administrator_url(database)
        with closing(connect(url, application_name="trially-admin")) as raw:
            found += check(raw)
    except psycopg2.OperationalError as error:
        return [
            Blocker(
                "unreachable",
                f"The server {name!r} does not answer: {describe_failure(error)}.",
                "Run the command again when it does.",
            )
        ]
    return []


def _source_blockers(source: PlacementRecord, raw: connection) -> Iterator[Blocker]:
    name = source.server.name
    yield from check_decoding(raw, name)
    yield from check_transactions(raw, name)
    rights = list(check_source_rights(raw, name, owner_role(current_settings())))
    yield from rights
    if any(blocker.code == NOT_OWNER for blocker in rights):
        return  # The checks below read the tenant's tables.
    yield from check_backfills(raw, source)
    if max_retained_wal(raw) is not None:
        size = sum(table.bytes for table in measure_tables(source))
        yield from check_retained_wal(raw, name, size / SLOW_COPY_BYTES_PER_SECOND)


def _target_blockers(name: str, raw: connection) -> Iterator[Blocker]:
    yield from check_target_rights(raw, name, owner_role(current_settings()))
