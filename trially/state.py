"""The state of an app, as one typed object."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Flask, current_app

from trially.audit_notes import AuditNotes

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from uuid import UUID

    import click
    from opentelemetry.sdk.trace import TracerProvider

    from trially.auth.api_keys.verifying import KnownKeys
    from trially.auth.members.identities import Identity
    from trially.auth.organisations.persons import Person as PersonOfOrganisation
    from trially.auth.own_issuers.verifying import OwnIssuers
    from trially.auth.platform.callers import Caller as PlatformCaller
    from trially.auth.resolvers import SupportResolver
    from trially.auth.tokens import TokenVerifier
    from trially.cache.ttl_cache import TTLCache
    from trially.config import Settings
    from trially.database.engines import EngineRegistry
    from trially.database.replicas import ReplicaTracker
    from trially.dev_issuer.issuer import DevIssuer
    from trially.http.retry_after import RetryAdvice
    from trially.jobs.wakeups import Waiting
    from trially.keys import SecretKeys
    from trially.keys.data_keys import DataKey
    from trially.organisation.public.branding import PublicBranding
    from trially.rate_limits.limiter import RateLimiter
    from trially.recruiting.study_matching.compiling import CompiledStudies
    from trially.recruiting.study_matching.studies import MatchedStudy
    from trially.request_cycle.bulkheads import Bulkheads
    from trially.request_cycle.limiting import Refused
    from trially.tenancy.archives.ages import BackupAges
    from trially.tenancy.catalog_choices import Tier
    from trially.tenancy.catalog_reader import CatalogReader
    from trially.tenancy.data_keys.finding import DataKeys
    from trially.tenancy.directory import Directory
    from trially.tenancy.operators.recording import Action
    from trially.tenancy.schema.fleet_revisions import FleetRevisions
    from trially.tenancy.servers.access import ServerAccess
    from trially.usage.samples import UsageCounter
    from trially.webhooks.senders import Senders

EXTENSION = "trially"


@dataclass
class AppState:
    """What one app holds from its start to its end; each room sets its own part in `init_app`."""

    settings: "Settings"
    version: str = ""
    make_app: "Callable[[Settings], Flask]" = field(init=False)
    """Makes an app of other settings; a command cannot import the factory."""

    keys: "SecretKeys | None" = None
    """The secret keys of this process, from the settings; `current_keys` returns them."""

    data_keys: "DataKeys" = field(init=False)
    """The data keys of tenants, and the master keys that unwrap them."""

    find_data_key: "Callable[[UUID, int], DataKey]" = field(init=False)
    """Returns a version of a tenant's data key; the database layer cannot import `tenancy`."""

    engines: "EngineRegistry" = field(init=False)
    """The engines of tenants' databases."""

    bulkheads: "Bulkheads" = field(init=False)
    """How many requests of each tenant and server run in this process."""

    rate_limiter: "RateLimiter" = field(init=False)
    """Counts requests of tenants and members against the limits of plans."""

    refused_callers: "TTLCache[bytes, Refused]" = field(init=False)
    """Callers who were just refused by a limit: by a digest of their credential."""

    replica_trackers: "dict[str, ReplicaTracker]" = field(default_factory=dict)
    """WAL positions of each server and its replicas, by the server's name."""

    servers: "dict[str, ServerAccess]" = field(default_factory=dict)
    """How to reach each server, by its name."""

    shared_databases: set[str] = field(default_factory=set)
    """Names of shared databases that this process knows to exist."""

    catalog_reader: "CatalogReader" = field(init=False)
    """Asks the catalog for requests, and knows whether it answers."""

    record_command: "Callable[[click.Context, str | None], AbstractContextManager[None]]" = field(
        init=False
    )
    """Records a command around the block that runs it."""

    running_action: "Action | None" = None
    """The recorded action of the command that runs in this process."""

    only_reads: bool = False
    """The command that runs has declared that it changes nothing, so its transactions only read."""

    fleet_revisions: "FleetRevisions" = field(init=False)
    """The catalog's revision, and how many tenants are behind."""

    directory: "Directory" = field(init=False)
    """Tenants and their placements, cached from the catalog."""

    identities: "TTLCache[tuple[object, ...], Identity]" = field(init=False)
    """Members, cached from tenants' databases."""

    api_keys: "KnownKeys" = field(init=False)
    """API keys, cached from tenants' databases."""

    plan_tiers: "dict[str, Tier]" = field(default_factory=dict)
    ready_tenants: "dict[Tier, int]" = field(default_factory=dict)
    """How many tenants of each tier are kept ready on each server."""

    public_branding: "PublicBranding" = field(init=False)
    """The branding of all tenants that everybody may read, cached from the catalog."""

    token_verifier: "TokenVerifier" = field(init=False)
    own_issuers: "OwnIssuers" = field(init=False)
    """The issuers that tenants have registered for themselves."""

    platform_verifier: "TokenVerifier" = field(init=False)
    """Verifies the tokens of operators, for the platform API."""

    platform_callers: "TTLCache[tuple[str, str], PlatformCaller]" = field(init=False)
    """Operators, cached from the catalog."""

    organisation_verifier: "TokenVerifier" = field(init=False)
    """Verifies the tokens of people of organisations."""

    people_of_organisations: "TTLCache[tuple[str, str], PersonOfOrganisation]" = field(init=False)
    """People of organisations, cached from the catalog."""

    support_resolver: "SupportResolver" = field(init=False)
    """Finds the tenants that operators may enter with a support grant."""

    sign_ins: "TTLCache[tuple[object, ...], tuple[object, ...]]" = field(init=False)
    """The sign-ins that this process has recorded."""

    dev_issuer: "DevIssuer | None" = None
    retry_advice: "RetryAdvice" = field(init=False)
    """How long clients should wait, by the cause of the refusal."""

    compose_audit_record: "Callable[[AuditNotes], str] | None" = None
    """Returns the statements that write the audit record of the open transaction."""

    follow_tenant: "Callable[[], None]" = field(init=False)
    """Enters the current tenant again, where it is placed now."""

    known_audit_forms: "set[tuple[UUID, int, UUID]]" = field(default_factory=set)
    """The forms of audit records that tenants' databases have: tenant, epoch and id."""

    active_studies: "TTLCache[tuple[object, ...], MatchedStudy]" = field(init=False)
    """Parsed criteria of active versions, by tenant id and the version's stamp."""

    compiled_studies: "TTLCache[tuple[object, ...], CompiledStudies]" = field(init=False)
    """Compiled criteria of some studies, by tenant id and the versions' stamps."""

    usage: "UsageCounter" = field(init=False)
    """What this process has counted of tenants' requests, and has not sent to the catalog."""

    webhook_senders: "Senders | None" = None
    """The threads of a worker that send webhooks."""

    asked_for_matches: "dict[UUID, float]" = field(default_factory=dict)
    """When this process last asked for the matches of a tenant, by `time.monotonic()`."""

    running_imports: "Counter[object]" = field(default_factory=Counter)
    """Uploads that this process is receiving or importing now, by tenant id."""

    event_streams: "Counter[object]" = field(default_factory=Counter)
    """Streams of events that this process is sending now, by tenant id."""

    waiting_jobs: "Waiting | None" = None
    """The jobs of all tenants that wait and run, as last read from the catalog."""

    read_jobs_again_at: float = 0.0
    """`time.monotonic()` from which on they are read again."""

    backup_ages: "BackupAges | None" = None
    """How old the backups of tenants are, as last read from the catalog."""

    read_backups_again_at: float = 0.0
    """`time.monotonic()` from which on the ages are read again."""

    openapi_documents: "dict[str, bytes]" = field(default_factory=dict)
    """The OpenAPI documents that were requested, by the plane's title."""

    guide_url: str | None = None
    """Where the OpenAPI documents say that the guide is, if this app serves it."""

    tracer_provider: "TracerProvider | None" = None


def init_app(app: Flask, settings: "Settings", version: str = "") -> AppState:
    """Give the app its state."""
    state = AppState(settings, version)
    app.extensions[EXTENSION] = state
    return state


def state_of(app: Flask) -> AppState:
    """Return the state of an app."""
    state: AppState = app.extensions[EXTENSION]
    return state


def app_state() -> AppState:
    """Return the current app's state."""
    state: AppState = current_app.extensions[EXTENSION]
    return state
