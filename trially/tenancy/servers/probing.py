"""Look at PostgreSQL servers before they are taken in, and at how they are afterwards."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import URL

from trially.database.engines import connect
from trially.errors import OperatorError
from trially.tenancy.servers.connections import execute

OLDEST_VERSION = 15
MOST_AT_ONCE = 8


class UnsuitableServerError(OperatorError):
    """A server cannot be what it is said to be; the sentence says why."""


@dataclass(frozen=True)
class ReplicaState:
    """How a replica is."""

    place: str
    is_reachable: bool
    lag_bytes: int | None = None
    """What of the primary's WAL it has still to replay."""

    lag_seconds: float | None = None
    """The age of the last transaction that it has replayed; 0 if that is the primary's last."""


@dataclass(frozen=True)
class ServerState:
    """How a server is."""

    is_reachable: bool
    version: str | None = None
    replicas: tuple[ReplicaState, ...] = ()


def probe_server(name: str, url: URL) -> str:
    """Return the system identifier of a server that can hold tenants.

    Raises `UnsuitableServerError` if the server is unreachable, too old or a standby, or if its
    administrator may not create roles and databases.
    """
    with closing(_reach(url, name)) as raw:
        [(version, is_standby, may_make)] = execute(
            raw,
            "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),"
            " rolsuper OR (rolcreaterole AND rolcreatedb)"
            " FROM pg_roles WHERE rolname = current_user",
        )
        if version < OLDEST_VERSION:
            raise UnsuitableServerError(
                f"The server {name!r} is PostgreSQL {version}; {OLDEST_VERSION} is the oldest"
                " that will do."
            )
        if is_standby:
            raise UnsuitableServerError(
                f"The server {name!r} is a standby: give its primary's URL."
            )
        if not may_make:
            raise UnsuitableServerError(
                f"The role {url.username!r} may not make roles and databases on {name!r}: it needs"
                " CREATEROLE and CREATEDB."
            )
        return _system_identifier(raw)


def probe_replica(url: URL, identifier: str) -> None:
    """See that a server follows the one with this identifier, or raise `UnsuitableServerError`."""
    place = _place(url)
    with closing(_reach(url, place)) as raw:
        if _system_identifier(raw) != identifier:
            raise UnsuitableServerError(f"{place} is no copy of this server.")
        if not execute(raw, "SELECT pg_is_in_recovery()")[0][0]:
            raise UnsuitableServerError(f"{place} is no replica: it follows nobody.")


def probe_servers(servers: Sequence[tuple[URL, Sequence[URL]]]) -> list[ServerState]:
    """Look at several servers at once, each with its replicas; one that is away costs seconds."""
    with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
        return list(threads.map(lambda each: _probe_server(*each), servers))


def _probe_server(url: URL, replica_urls: Sequence[URL]) -> ServerState:
    position = None
    try:
        with closing(connect(url)) as raw:
            [(version, position)] = execute(
                raw,
                "SELECT current_setting('server_version'),"
                " CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_flush_lsn() END",
            )
    except psycopg2.Error:
        version = None
    replicas = tuple(
        _probe_replica(each.set(username=url.username, password=url.password), position)
        for each in replica_urls
    )
    return ServerState(version is not None, version, replicas)


def _probe_replica(url: URL, position: str | None) -> ReplicaState:
    try:
        with closing(connect(url)) as raw:
            [(lag_bytes, lag_seconds)] = execute(
                raw,
                "SELECT greatest(0, pg_wal_lsn_diff(%s, pg_last_wal_replay_lsn()))::bigint,"
                " extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float",
                position,
            )
    except psycopg2.Error:
        return ReplicaState(_place(url), is_reachable=False)
    return ReplicaState(
        _place(url),
        is_reachable=True,
        lag_bytes=lag_bytes,
        lag_seconds=0.0 if lag_bytes == 0 else lag_seconds,
    )


def _reach(url: URL, name: str) -> connection:
    try:
        return connect(url, application_name="trially-admin")
    except psycopg2.Error as error:
        reason = str(error).strip().partition("\n")[0]
        raise UnsuitableServerError(f"There is no way to {name!r}: {reason}.") from None


def _system_identifier(raw: connection) -> str:
    [(identifier,)] = execute(raw, "SELECT system_identifier::text FROM pg_control_system()")
    return str(identifier)


def _place(url: URL) -> str:
    """Say where a server is: its hosts and ports, and nothing of who logs in."""
    host, port = url.host or url.query.get("host", "localhost"), url.port or url.query.get("port")
    return f"{host}:{port}" if port else str(host)
