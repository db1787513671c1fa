"""The app without routes: settings, keys, servers, the catalog, and the directory of tenants.

`application` adds the routes and what they need. Commands that only read the catalog use this app
as it is, because it loads in half the time.
"""

from flask import Flask

from trially import state
from trially.audit import erasures  # noqa: F401  registers what an erasure does to the logs
from trially.audit import recording as audit_recording
from trially.config import Settings, read_settings
from trially.database import session
from trially.tenancy import catalog_reader, context, data_keys, directory, plans, recorded_keys
from trially.tenancy.operators import commands
from trially.tenancy.schema import catalog_binds
from trially.tenancy.servers import access
from trially.tenancy.servers.administrator import administrator_url
from trially.tenancy.servers.local import start_local_servers
from trially.version import VERSION


def create_base_app(settings: Settings | None = None, app_class: type[Flask] = Flask) -> Flask:
    """Make an app without routes.

    Raises `SettingsError` if a setting is missing.
    """
    settings = settings or read_settings()
    app = app_class("trially", static_folder=None, instance_path=str(settings.instance))
    state.init_app(app, settings, VERSION)
    plans.init_app(app, settings)
    access.init_app(app, administrator_url(settings), settings.pooler_url)
    start_local_servers(settings)
    with app.app_context():
        binds = catalog_binds.catalog_binds(access.server_access(), settings)
    session.init_app(app, binds, catalog_binds.CATALOG_CONNECTIONS)
    audit_recording.init_app(app)
    recorded_keys.init_app(app)
    commands.init_app(app)
    data_keys.init_app(app, settings)
    catalog_reader.init_app(app, settings.catalog_outage_seconds)
    directory.init_app(app, settings.placement_max_age_seconds)
    context.init_app(app)
    return app
