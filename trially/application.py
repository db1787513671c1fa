"""The app with all its routes, as servers run it. Everything is imported at its start."""

from collections.abc import Mapping

from flask import Flask

from trially import analysts, api, health, openapi, platform, request_cycle
from trially.auth import identity
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.issuers import trusted_issuers
from trially.auth.members import identities, managing
from trially.auth.organisations import persons
from trially.auth.organisations import verifying as organisations_verifying
from trially.auth.organisations.permissions import OrganisationPermission
from trially.auth.organisations.verifying import organisation_audience, organisation_issuers
from trially.auth.permissions import refuse_unguarded_views
from trially.auth.platform import callers, verifying
from trially.auth.platform.permissions import PlatformPermission
from trially.auth.platform.verifying import platform_audience, platform_issuers
from trially.auth.roles import SHOWS_NO_PATIENT
from trially.base_app import create_base_app
from trially.config import Settings
from trially.http import browsers, problems, request_ids, retry_after, trace_context
from trially.http.disclosures import refuse_patients_in, refuse_unaudited_views
from trially.observability import access_log, tracing
from trially.organisation import public as public_branding
from trially.organisation import restored as restored_settings
from trially.recruiting.patients import field_backfill
from trially.recruiting.search import masked_clones
from trially.recruiting.study_matching import compiling
from trially.scim import problems as scim_problems
from trially.state import state_of
from trially.tenancy.schema import fleet_revisions
from trially.usage import restored as restored_usage
from trially.usage import sampling
from trially.webhooks import restored as restored_webhooks

PROVISIONING_RECEIVERS = (managing.add_owner, masked_clones.index_clone)
"""What takes part in the creation of a tenant. Their modules must be imported before."""

RESTORE_RECEIVERS = (
    restored_settings.adopt_settings,
    restored_settings.publish_restored,
    restored_usage.forget_days,
    restored_webhooks.disable_in_copies,
)
"""What takes part when rows of an archive become those of a tenant."""

FIELD_RECEIVERS = (field_backfill.settle_tenant, field_backfill.settle_copy)
"""What takes part when a tenant's fields are encrypted."""


def create_app(settings: Settings | None = None) -> Flask:
    """Make the app: settings, then plumbing, then rooms.

    Raises `SettingsError` if a setting is missing, `UnguardedViewError` if a view says neither
    what it requires nor that it is public, `UnauditedViewError` if a view shows patients and does
    not say which. `tools/start_checks.py` checks what takes longer.
    """
    app = create_base_app(settings, request_cycle.Application)
    state = state_of(app)
    state.make_app = create_app
    settings = state.settings
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    access_log.init_app(app)
    sampling.init_app(app)
    request_ids.init_app(app)
    trace_context.init_app(app)
    tracing.init_app(app)
    browsers.init_app(app, openapi.BROWSER_PATH)
    problems.init_app(app)
    scim_problems.init_app(app)
    retry_after.init_app(app)
    fleet_revisions.init_app(app)
    identities.init_app(app, settings.placement_max_age_seconds)
    compiling.init_app(app)
    built_in = _init_dev_issuer(app, settings)
    tenants_issuers = trusted_issuers(settings, built_in)
    identity.init_app(app, tenants_issuers)
    _init_other_planes(app, settings, tenants_issuers, built_in)
    request_cycle.init_app(app)
    public_branding.init_app(app)

    app.register_blueprint(health.bp)
    api.init_app(app)
    api.add_rooms(app, (platform, analysts))
    guide = f"{settings.public_url}{openapi.GUIDE_PATH}" if settings.development else None
    openapi.init_app(app, guide)
    _init_guide(app, settings)

    refuse_unguarded_views(app.view_functions)
    of_no_tenant = frozenset(PlatformPermission) | frozenset(OrganisationPermission)
    refuse_unaudited_views(app.view_functions, SHOWS_NO_PATIENT | of_no_tenant)
    refuse_patients_in(app.view_functions, of_no_tenant)
    return app


def _init_other_planes(
    app: Flask,
    settings: Settings,
    tenants_issuers: Mapping[str, IssuerProfile],
    built_in: IssuerProfile | None,
) -> None:
    """Know the tokens of operators and of people of organisations, and who these are."""
    of_tenants = {one for profile in tenants_issuers.values() for one in profile.audiences}
    of_platform = platform_audience(settings)
    callers.init_app(app)
    verifying.init_app(
        app,
        tenants_issuers,
        platform_issuers(settings, built_in),
        [organisation_audience(settings)],
    )
    persons.init_app(app)
    organisations_verifying.init_app(
        app, organisation_issuers(settings, built_in), {*of_tenants, of_platform}
    )


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
