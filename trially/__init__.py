"""trially: the multi-tenant back end of a clinical-trial recruiting web app."""

from typing import TYPE_CHECKING

from trially.version import VERSION

if TYPE_CHECKING:
    from flask import Flask

    from trially.config import Settings

__version__ = VERSION


def create_app(settings: "Settings | None" = None) -> "Flask":
    """Make the app with its routes and commands; see `application.create_app`."""
    # Imported here, so that commands which need less of trially load less of it.
    from trially import application, commands
    from trially.state import state_of

    app = application.create_app(settings)
    commands.init_app(app, is_development=state_of(app).settings.development)
    return app
