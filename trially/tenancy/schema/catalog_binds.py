"""How this process logs in to the catalog: as the administrator, and as its reader."""

from trially.config import Settings
from trially.database.connecting import Login
from trially.database.watching import WatchedConnection
from trially.tenancy.catalog_sessions import CONTROL_BIND, READER_BIND
from trially.tenancy.recorded_keys import reader_application
from trially.tenancy.servers.access import ServerAccess
from trially.tenancy.servers.preparing import reader_role


class ReaderConnection(WatchedConnection):
    """A connection of a request to the catalog, whose queries take milliseconds."""

    longest_seconds = 2.0
    probe_seconds = 2


CATALOG_CONNECTIONS = {CONTROL_BIND: WatchedConnection, READER_BIND: ReaderConnection}
"""The classes of connections to the catalog, by bind key: requests wait less than commands."""


def catalog_binds(access: ServerAccess, settings: Settings) -> dict[str, Login]:
    """Return how to log in to the catalog, by bind key."""
    database, reader = settings.catalog_database, reader_role(settings)
    url = access.role_url(reader, database).update_query_dict(
        {"application_name": reader_application(access.keys)}
    )
    return {
        CONTROL_BIND: Login(access.admin_url.set(database=database)),
        READER_BIND: Login(url, access.other_password(reader)),
    }
