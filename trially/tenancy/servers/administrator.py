"""The administrator's URL of the first server, starting the embedded one if there is no other."""

from sqlalchemy import URL

from trially.config import Settings

EMBEDDED_DIRECTORY = "postgres"


def administrator_url(settings: Settings) -> URL:
    """Return the URL from the settings, or that of the embedded server, started if need be."""
    if settings.database_url is not None:
        return settings.database_url
    # The package that it needs is not installed in production.
    from trially.embedded_postgres.server import start_embedded_server

    server = start_embedded_server(
        settings.instance / EMBEDDED_DIRECTORY, settings=settings.embedded_settings
    )
    return server.url()
