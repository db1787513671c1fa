"""trially: the multi-tenant back end of a clinical-trial recruiting web app."""

from flask import Flask

from trially import api, commands, health, openapi, request_cycle, state
from trially.auth import identity
from trially.auth.issuers import trusted_issuers
from trially.auth.members import identities
from trially.auth.permissions import refuse_unguarded_views
from trially.auth.tokens import IssuerProfile
from trially.config import Settings, read_settings
from trially.database import session
from trially.http import browsers, problems, request_ids, retry_after, trace_context
from trially.observability import access_log, tracing
from trially.tenancy import catalog_reader, directory, plans, recorded_keys
from trially.tenancy.schema import fleet_revisions, installing
from trially.tenancy.schema.migration_commands import init_migrations
from trially.tenancy.schema.migration_files import check_migrations
from trially.tenancy.servers import access
from trially.tenancy.servers.administrator import administrator_url

__version__ = "0.1.0"


def create_app(settings: Settings | None = None) -> Flask:
    """Make the app: settings, then plumbing, then rooms.

    Raises `SettingsError` if a setting is missing, `UnguardedViewError` if a view says neither
    what it requires nor that it is public, `UnprotectedTableError` if a migration creates a table
    without its row security policy or its version trigger.
    """
    settings = settings or read_settings()
    app = request_cycle.Application(
        "trially", static_folder=None, instance_path=str(settings.instance)
    )
    state.init_app(app, settings, __version__)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    access_log.init_app(app)
    request_ids.init_app(app)
    trace_context.init_app(app)
    tracing.init_app(app)
    browsers.init_app(app, openapi.BROWSER_PATH)
    problems.init_app(app)
    retry_after.init_app(app)
    plans.init_app(app, settings)
    access.init_app(app, administrator_url(settings), settings.pooler_url)
    with app.app_context():
        binds = installing.catalog_binds(access.server_access(), settings)
    session.init_app(app, binds, installing.CATALOG_CONNECTIONS)
    recorded_keys.init_app(app)
    init_migrations(app)
    catalog_reader.init_app(app, settings.catalog_outage_seconds)
    fleet_revisions.init_app(app)
    directory.init_app(app, settings.placement_max_age_seconds)
    identities.init_app(app, settings.placement_max_age_seconds)
    identity.init_app(app, trusted_issuers(settings, _init_dev_issuer(app, settings)))
    request_cycle.init_app(app)

    app.register_blueprint(health.bp)
    api.init_app(app)
    openapi.init_app(app, __version__)
    commands.init_app(app)
    _init_demo(app, settings)

    refuse_unguarded_views(app.view_functions)
    check_migrations()
    return app


def _init_dev_issuer(app: Flask, settings: Settings) -> IssuerProfile | None:
    """Serve the built-in issuer where it is on. Production does not load its code."""
    if not settings.dev_issuer:
        return None
    from trially import dev_issuer

    return dev_issuer.init_app(app, settings).profile()


def _init_demo(app: Flask, settings: Settings) -> None:
    """Add `flask demo` in development. Production does not load its code."""
    if settings.development:
        from trially import demo

        demo.init_app(app)
