"""How many connections to a server one process may keep, if no setting says so."""

from sqlalchemy import Connection

from trially.config import current_settings

SHARE_OF_REQUESTS = 0.8
"""The share of a server's connections that processes which answer requests may open together.

The rest is left to workers, commands, moves and backups.
"""

MOST = 400
"""More than a process needs. Each connection takes some megabytes of its server's memory."""

BEFORE_ASKING = 64
"""The budget of a process that has not asked the server yet, and the limit of commands."""

MOST_NEW_CONNECTIONS = 0.1
"""The largest share of transactions that may begin with a new connection without a warning."""

ACCEPTED_CONNECTIONS = """current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int"""
"""SQL of the number of connections that a server accepts from roles without privileges."""


def connections_of_process(accepted: int | None) -> int:
    """Return how many connections a process keeps to a server that accepts so many.

    None is a server that was not asked.
    """
    settings = current_settings()
    if settings.connections_per_server is not None:
        return settings.connections_per_server
    if accepted is None:
        return BEFORE_ASKING
    return share_of_process(accepted, settings.processes, settings.threads)


def share_of_process(accepted: int, processes: int, threads: int) -> int:
    """Return how many of the `accepted` connections one of the processes may keep.

    It has at least one for each of its threads.
    """
    return max(threads, min(MOST, int(accepted * SHARE_OF_REQUESTS) // processes))


def ask_share(connection: Connection, processes: int, threads: int) -> int:
    """Return the share of one of the processes of what the server of a connection accepts."""
    accepted = connection.exec_driver_sql(f"SELECT {ACCEPTED_CONNECTIONS}").scalar_one()
    return share_of_process(accepted, processes, threads)


def connections_of_command() -> int:
    """Return how many connections to one server a command may open."""
    return current_settings().connections_per_server or BEFORE_ASKING
