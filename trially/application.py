"""The app with all its routes, as servers run it. Everything is imported at its start."""

from flask import Flask

from trially import api, health, openapi, request_cycle
from trially.auth import identity
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.issuers import trusted_issuers
from trially.auth.members import identities, managing
from trially.auth.permissions import SHOWS_NO_PATIENT, refuse_unguarded_views
from trially.base_app import create_base_app
from trially.config import Settings
from trially.http import browsers, problems, request_ids, retry_after, trace_context
from trially.http.disclosures import refuse_unaudited_views
from trially.observability import access_log, tracing
from trially.recruiting.patients import field_backfill
from trially.recruiting.search import masked_clones
from trially.state import state_of
from trially.tenancy.schema import fleet_revisions
from trially.tenancy.schema.migration_commands import init_migrations
from trially.version import VERSION

PROVISIONING_RECEIVERS = (managing.add_owner, masked_clones.index_clone)
"""What takes part in the creation of a tenant. Their modules must be imported before."""

FIELD_RECEIVERS = (field_backfill.settle_tenant, field_backfill.settle_copy)
"""What takes part when a tenant's fields are encrypted."""


def create_app(settings: Settings | None = None) -> Flask:
    """Make the app: settings, then plumbing, then rooms.

    Raises `SettingsError` if a setting is missing, `UnguardedViewError` if a view says neither
    what it requires nor that it is public, `UnauditedViewError` if a view shows patients and does
    not say which, `UnprotectedTableError` if a migration creates a table
    without its row security policy or its version trigger.
    """
    app = create_base_app(settings, request_cycle.Application)
    state = state_of(app)
    state.make_app = create_app
    settings = state.settings
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    access_log.init_app(app)
    request_ids.init_app(app)
    trace_context.init_app(app)
    tracing.init_app(app)
    browsers.init_app(app, openapi.BROWSER_PATH)
    problems.init_app(app)
    retry_after.init_app(app)
    init_migrations(app)
    fleet_revisions.init_app(app)
    identities.init_app(app, settings.placement_max_age_seconds)
    identity.init_app(app, trusted_issuers(settings, _init_dev_issuer(app, settings)))
    request_cycle.init_app(app)

    app.register_blueprint(health.bp)
    api.init_app(app)
    guide = f"{settings.public_url}{openapi.GUIDE_PATH}" if settings.development else None
    openapi.init_app(app, VERSION, guide)
    _init_guide(app, settings)

    refuse_unguarded_views(app.view_functions)
    refuse_unaudited_views(app.view_functions, SHOWS_NO_PATIENT)
    return app


def _init_dev_issuer(app: Flask, settings: Settings) -> IssuerProfile | None:
    """Serve the built-in issuer where it is on. Production does not load its code."""
    if not settings.dev_issuer:
        return None
    from trially import dev_issuer

    return dev_issuer.init_app(app, settings).profile()


def _init_guide(app: Flask, settings: Settings) -> None:
    """Serve the documentation in development. Production does not load its code."""
    if settings.development:
        from trially import guide

        guide.init_app(app)
