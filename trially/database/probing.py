"""Ask a server about statements that have no answer, and interrupt those that it does not run.

A connection may be dead although its peer acknowledges packets: a proxy or a pooler was frozen, or
forgot the connection. A new connection of the same role to the same host shows whether the server
still runs the statement. Every role may see the state of its own sessions.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg2

from trially.database.connecting import ConnectionRefusedByServerError, open_with
from trially.database.watching import WatchedConnection, watchdog

TOLERANCE_SECONDS = 1.0
"""By how much a pooler and the network may delay a statement."""

_SESSIONS = (
    "SELECT pg_backend_pid(), pid, extract(epoch FROM clock_timestamp() - query_start)::float8"
    " FROM pg_stat_activity WHERE usename = session_user AND datname = current_database()"
    " AND state IN ('active', 'fastpath function call', 'disabled')"
)
_TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = session_user"
    " AND pid = %s AND clock_timestamp() - backend_start >= make_interval(secs => %s)"
)
"""Ends a session of the role, unless its process id has been given to a younger session."""

Stalled = Sequence[tuple[WatchedConnection, float]]


def ask_about(stalled: Stalled) -> None:
    """Ask the server of one login about its stalled connections; close those that are dead."""
    health = stalled[0][0].health
    if health is None:
        _examine(stalled)
        return
    health.is_doubtful = True
    try:
        _examine(stalled)
    finally:
        health.is_doubtful = False


def _examine(stalled: Stalled) -> None:
    try:
        with closing(_connect_like(stalled[0][0])) as probe:
            _separate(stalled, probe)
    except ConnectionRefusedByServerError:
        _wait_longer(stalled)
    except psycopg2.Error:
        _interrupt(stalled, is_server_silent=True)


def _separate(stalled: Stalled, probe: WatchedConnection) -> None:
    """Wait for the statements that the server runs, and close the connections of all others.

    A statement whose answer has arrived is none of them: its thread has not read it yet, because
    the machine is busy.
    The server does not learn that a dead connection was closed. Its transaction would keep its
    locks, so its session is ended.
    """
    rows = _query(probe, _SESSIONS)
    own = rows[0][0]
    sessions = [(pid, seconds) for _, pid, seconds in rows if pid != own]
    is_pooled = own != probe.info.backend_pid
    alive = [
        each
        for each in stalled
        if _is_running(each, sessions, is_pooled=is_pooled) or each[0].has_answer()
    ]
    _wait_longer(alive)
    dead = [each for each in stalled if each not in alive]
    interrupted = _interrupt(dead, is_server_silent=False)
    for watched in () if is_pooled else interrupted:
        age = time.monotonic() - watched.opened_at - TOLERANCE_SECONDS
        _query(probe, _TERMINATE, watched.backend_pid, max(0, age))


def _connect_like(watched: WatchedConnection) -> WatchedConnection:
    """Open a connection with the same login to the host that a connection leads to."""
    info = watched.info
    parameters: dict[str, Any] = {
        **info.dsn_parameters,
        "host": info.host,
        "port": info.port,
        "password": info.password,
        "connect_timeout": watched.probe_seconds,
        "application_name": "trially-probe",
    }
    for of_several_hosts in ("hostaddr", "target_session_attrs", "load_balance_hosts"):
        parameters.pop(of_several_hosts, None)
    probe = open_with(parameters, WatchedConnection)
    probe.longest_seconds = watched.probe_seconds
    probe.autocommit = True
    return probe


def _query(probe: WatchedConnection, statement: str, *parameters: Any) -> list[Any]:
    with probe.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall()


def _is_running(
    stalled: tuple[WatchedConnection, float],
    sessions: list[tuple[int, float]],
    *,
    is_pooled: bool,
) -> bool:
    """Return whether the server runs the statement that a stalled connection waits for.

    A pooler assigns server processes by itself, so there a statement is recognised by its age.
    """
    watched, since = stalled
    if is_pooled:
        age = time.monotonic() - since
        return any(abs(seconds - age) <= TOLERANCE_SECONDS for _, seconds in sessions)
    return any(pid == watched.backend_pid for pid, _ in sessions)


def _wait_longer(stalled: Stalled) -> None:
    """Ask about these again when they have waited twice as long."""
    now = time.monotonic()
    for watched, since in stalled:
        if watched.waiting_since == since:
            watched.probe_at = 2 * now - since


def _interrupt(stalled: Stalled, *, is_server_silent: bool) -> list[WatchedConnection]:
    """Interrupt the calls that still wait, and return their connections."""
    waiting = [watched for watched, since in stalled if watched.waiting_since == since]
    for watched in waiting:
        watched.give_up(is_server_silent=is_server_silent)
    return waiting


watchdog.ask_about = ask_about
