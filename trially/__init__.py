"""trially: the multi-tenant back end of a clinical-trial recruiting web app."""

from flask import Flask

from trially import commands, demo, health, openapi, request_cycle
from trially.auth import dev_issuer, identity, members
from trially.auth.issuers import trusted_issuers
from trially.auth.permissions import refuse_unguarded_views
from trially.config import Settings, read_settings
from trially.database import session
from trially.database.administrator import administrator_url
from trially.http import browsers, problems, requests, trace
from trially.observability import requests as observability
from trially.observability import traces
from trially.recruiting import API_BLUEPRINTS, API_PREFIX
from trially.tenancy import directory, installing, plans, servers
from trially.tenancy.migrating import init_migrations

__version__ = "0.1.0"


def create_app(settings: Settings | None = None) -> Flask:
    """Make the app: settings, then plumbing, then rooms.

    Raises `SettingsError` if a setting is missing, `UnguardedViewError` if a view says neither
    what it requires nor that it is public.
    """
    settings = settings or read_settings()
    app = Flask("trially", static_folder=None, instance_path=str(settings.instance))
    app.extensions["trially_settings"] = settings
    app.extensions["trially_version"] = __version__
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    observability.init_app(app)
    requests.init_app(app)
    trace.init_app(app)
    traces.init_app(app)
    browsers.init_app(app, openapi.BROWSER_PATH)
    problems.init_app(app)
    plans.init_app(app, settings)
    servers.init_app(app, administrator_url(settings), settings.secret_key, settings.pooler_url)
    with app.app_context():
        binds = installing.catalog_binds(servers.server_access(), settings)
    session.init_app(app, binds, settings)
    init_migrations(app)
    directory.init_app(app, settings.placement_max_age_seconds)
    members.init_app(app, settings.placement_max_age_seconds)
    issuer = dev_issuer.init_app(app, settings)
    identity.init_app(app, trusted_issuers(settings, issuer))
    request_cycle.init_app(app)

    app.register_blueprint(health.bp)
    for blueprint in API_BLUEPRINTS:
        app.register_blueprint(blueprint, url_prefix=API_PREFIX + (blueprint.url_prefix or ""))
    openapi.init_app(app, __version__)
    commands.init_app(app)
    demo.init_app(app)

    refuse_unguarded_views(app.view_functions)
    return app
