"""Check PostgreSQL servers before they are registered, and report their state afterwards."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import URL

from trially.database.connecting import connect
from trially.errors import OperatorError
from trially.tenancy.servers.connections import execute

MIN_VERSION = 15
MAX_PARALLEL_PROBES = 8


class UnsuitableServerError(OperatorError):
    """A server does not fit its registration. The message gives the reason."""


@dataclass(frozen=True)
class ReplicaState:
    """The state of a replica."""

    place: str
    """Host and port."""

    is_reachable: bool
    lag_bytes: int | None = None
    """Bytes of the primary's WAL that the replica has not replayed yet."""

    lag_seconds: float | None = None
    """Age of the last replayed transaction; 0 if the replica has replayed everything."""


@dataclass(frozen=True)
class ServerState:
    """The state of a server."""

    is_reachable: bool
    version: str | None = None
    replicas: tuple[ReplicaState, ...] = ()


def probe_server(name: str, url: URL) -> str:
    """Return the system identifier of a server that can hold tenants.

    Raises `UnsuitableServerError` if the server is unreachable, too old or a standby, or if its
    administrator may not create roles and databases.
    """
    with closing(_reach(url, name)) as raw:
        [(version, is_standby, may_create)] = execute(
            raw,
            "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),"
            " rolsuper OR (rolcreaterole AND rolcreatedb)"
            " FROM pg_roles WHERE rolname = current_user",
        )
        if version < MIN_VERSION:
            raise UnsuitableServerError(
                f"The server {name!r} runs PostgreSQL {version}. Version {MIN_VERSION} or later is"
                " required."
            )
        if is_standby:
            raise UnsuitableServerError(
                f"The server {name!r} is a standby. Pass the URL of its primary."
            )
        if not may_create:
            raise UnsuitableServerError(
                f"The role {url.username!r} cannot create roles and databases on {name!r}. Grant it"
                " CREATEROLE and CREATEDB."
            )
        return _system_identifier(raw)


def probe_replica(url: URL, identifier: str) -> None:
    """Raise `UnsuitableServerError` unless this is a replica of the server with `identifier`."""
    place = _place(url)
    with closing(_reach(url, place)) as raw:
        if _system_identifier(raw) != identifier:
            raise UnsuitableServerError(
                f"{place} is not a copy of this server. Pass the URL of one of its replicas."
            )
        if not execute(raw, "SELECT pg_is_in_recovery()")[0][0]:
            raise UnsuitableServerError(
                f"{place} is not a replica, because it is not in recovery. Pass the URL of a hot"
                " standby."
            )


def probe_servers(servers: Sequence[tuple[URL, Sequence[URL]]]) -> list[ServerState]:
    """Return the state of servers and their replicas.

    They are probed in parallel, because an unreachable server takes seconds.
    """
    with ThreadPoolExecutor(MAX_PARALLEL_PROBES) as threads:
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
        raise UnsuitableServerError(f"Cannot connect to {name!r}: {reason}.") from None


def _system_identifier(raw: connection) -> str:
    [(identifier,)] = execute(raw, "SELECT system_identifier::text FROM pg_control_system()")
    return str(identifier)


def _place(url: URL) -> str:
    """Return the host and port of a URL, without user and password."""
    host, port = url.host or url.query.get("host", "localhost"), url.port or url.query.get("port")
    return f"{host}:{port}" if port else str(host)
