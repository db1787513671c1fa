"""Add a local server to the demo, so that tenants can move to it."""

from dataclasses import dataclass

from sqlalchemy import URL

from trially.config import current_settings
from trially.demo.occupation import serving
from trially.errors import OperatorError
from trially.tenancy.catalog import Server
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.local import local_servers, start_local_server
from trially.tenancy.servers.probing import UnsuitableServerError
from trially.tenancy.servers.registering import (
    ServerOptions,
    add_server,
    all_servers,
    change_server,
    get_server,
)


class OwnServerError(OperatorError):
    """The installation runs on a server of the developer's own."""


@dataclass(frozen=True)
class Added:
    """A local server, and whether it was registered before."""

    server: Server
    was_registered: bool


def add_local_server(name: str) -> Added:
    """Start a local server and register it. Repeating it changes nothing.

    Raises `OwnServerError`, `OccupiedError` while the demo is reset, `EmbeddedServerError` if it
    does not start, and `UnsuitableServerError` if another server has the name.
    """
    settings = current_settings()
    if settings.database_url is not None:
        raise OwnServerError(
            "TRIALLY_DATABASE_URL names a server of your own, and local servers run beside the"
            " embedded PostgreSQL only. Register another server of your own with"
            " `flask servers add`."
        )
    with serving(settings.instance):
        is_registered = name in {server.name for server in all_servers()}
        if is_registered and name not in local_servers(settings):
            raise UnsuitableServerError(
                f"The server name {name!r} is already taken. Choose another one."
            )
        url = start_local_server(settings, name)
        if is_registered:
            _record_url(name, url)
            return Added(get_server(name), was_registered=True)
        return Added(add_server(name, url, ServerOptions()), was_registered=False)


def record_local_urls() -> None:
    """Register the present URLs of all registered local servers.

    A URL contains the directory of temporary files, which may be another one than before.
    """
    settings, registered = current_settings(), {server.name for server in all_servers()}
    for name in registered.intersection(local_servers(settings)):
        _record_url(name, start_local_server(settings, name))


def _record_url(name: str, url: URL) -> None:
    if server_access(name).administrator_url() != url:
        change_server(name, ServerOptions(url=url))
