"""The administrator's URL of the first server, which may be the embedded one."""

from sqlalchemy import URL

from trially.config import Settings

EMBEDDED_DIRECTORY = "postgres"


def administrator_url(settings: Settings) -> URL:
    """Return the URL from the settings, or else start the embedded server and return its URL."""
    if settings.database_url is not None:
        return settings.database_url
    # Imported here, because production does not install the package that it needs.
    from trially.embedded_postgres.server import start_embedded_server

    server = start_embedded_server(
        settings.instance / EMBEDDED_DIRECTORY, settings=settings.embedded_settings
    )
    return server.url()
