"""Further embedded servers of a development machine, beside the first one.

Each has a directory in `instance/servers/`. They run as the first one does: every process of the
installation starts or joins them, and they stop after the last of these processes has ended.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL

from trially.config import Settings
from trially.errors import OperatorError

LOCAL_SERVERS = "servers"

log = logging.getLogger(__name__)


def local_directory(settings: Settings, name: str) -> Path:
    """Return the directory of a local server, whether it exists or not."""
    return (settings.instance / LOCAL_SERVERS / name).resolve()


def local_servers(settings: Settings) -> Sequence[str]:
    """Return the names of the local servers. There are none beside a server of one's own."""
    folder = settings.instance / LOCAL_SERVERS
    if settings.database_url is not None or not folder.is_dir():
        return ()
    return sorted(each.name for each in folder.iterdir() if each.is_dir())


def start_local_server(settings: Settings, name: str) -> URL:
    """Start or join a local server while this process runs, and return its administrator's URL.

    The first start creates it. Raises `EmbeddedServerError`.
    """
    # Imported here, because production does not install the package that it needs.
    from trially.embedded_postgres.server import start_embedded_server

    directory = local_directory(settings, name)
    return start_embedded_server(directory, settings=settings.embedded_settings).url()


def join_local_server(settings: Settings, name: str) -> None:
    """Start or join a local server. If it does not start, the log says why, and the rest works."""
    try:
        start_local_server(settings, name)
    except OperatorError as error:
        log.critical("The local server %s is not running. %s", name, error)


def start_local_servers(settings: Settings) -> None:
    """Start or join all local servers."""
    for name in local_servers(settings):
        join_local_server(settings, name)
