"""The state of the app, and that of one request, each as one typed object."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, g

from trially.audit_notes import AuditNotes

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from uuid import UUID

    import click
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from trially.audit.actors import Actor
    from trially.audit.working import Work
    from trially.auth.members.identities import Identity
    from trially.auth.resolvers import SupportResolver
    from trially.auth.tokens import Claims, TokenVerifier
    from trially.cache.ttl_cache import TTLCache
    from trially.config import Settings
    from trially.database.engines import EngineRegistry
    from trially.database.placement import Placement
    from trially.database.replicas import ReplicaTracker
    from trially.dev_issuer.issuer import DevIssuer
    from trially.http.retry_after import RetryAdvice
    from trially.http.trace_context import Caller
    from trially.jobs.wakeups import Waiting
    from trially.keys import SecretKeys
    from trially.keys.data_keys import DataKey
    from trially.request_cycle.bulkheads import Bulkheads, Compartment
    from trially.tenancy.archives.ages import BackupAges
    from trially.tenancy.catalog import Tier
    from trially.tenancy.catalog_reader import CatalogReader
    from trially.tenancy.data_keys.finding import DataKeys
    from trially.tenancy.directory import Directory, TenantEntry
    from trially.tenancy.operators.recording import Action
    from trially.tenancy.schema.fleet_revisions import FleetRevisions
    from trially.tenancy.servers.access import ServerAccess
    from trially.tenancy.tenant_entries import SupportAccess

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

    plan_tiers: "dict[str, Tier]" = field(default_factory=dict)
    ready_tenants: "dict[Tier, int]" = field(default_factory=dict)
    """How many tenants of each tier are kept ready on each server."""

    token_verifier: "TokenVerifier" = field(init=False)
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

    openapi_document: bytes = b""
    tracer_provider: "TracerProvider | None" = None


@dataclass
class RequestState:
    """What is known of one request, or of one tenant's turn in a command: of one app context."""

    started_at: float | None = None
    """`time.perf_counter()` when the request came in."""

    request_id: str | None = None
    new_id: "UUID | None" = None
    """The id of a request that came without one. It becomes the id of its audit record."""

    caller: "Caller | None" = None
    """The caller's trace and span, from `traceparent`."""

    traceparent: str | None = None
    span: "Span | None" = None
    admitted_at: float = 0.0
    """`time.perf_counter()` when the token was read; refusals take a fixed time from then."""

    refusal: str | None = None
    """Why the request was refused, in a word for the log: `expired`, `no_member`, …"""

    refused_origin: str | None = None
    """The origin of a page that may not call this back end, for the log."""

    is_stranger: bool = False
    """The caller was refused because the tenant is not theirs, unknown or suspended."""

    deadline: float | None = None
    """`time.monotonic()` by which the request's statements must end."""

    claims: "Claims | None" = None
    """What the verified token says."""

    tenant: "TenantEntry | None" = None
    placement: "Placement | None" = None
    derived_keys: "dict[tuple[str, int, UUID | None], Any]" = field(default_factory=dict)
    """Ciphers and blind indexes of the tenant's columns: by context and version of its data key."""

    support: "SupportAccess | None" = None
    """The caller's support grant for the tenant, if there is one."""

    identity: "Identity | None" = None
    shows_identifiers: bool = False
    """The caller's PHI level is `full`, so that answers are not masked."""

    has_committed: bool = False
    """A batch was committed before the end of the request, so that it must not be run again."""

    has_read_body: bool = False
    """A streamed body was read, at least in part, which can be done only once."""

    rolls_back: bool = False
    """All changes are undone at the end: transactions are savepoints of one that is rolled back."""

    is_committing: bool = False
    """COMMIT may have been sent, so that the request must not be run again."""

    occupied: "tuple[int, tuple[Compartment, ...]] | None" = None
    """The request's number in the bulkheads, and the compartments that it is counted in."""

    audit: AuditNotes = field(default_factory=AuditNotes)
    """What the open transaction discloses and changes."""

    actor: "Actor | None" = None
    """Who acts in this request; None in commands and jobs, where it is the operator."""

    work: "Work | None" = None
    """What a command does with rows about patients, while it has said so."""

    after_commit: "list[Callable[[], None]]" = field(default_factory=list)
    """What runs once the open transaction is committed, and never if it is rolled back."""

    new_audit_form: "tuple[UUID, int, UUID] | None" = None
    """The form that the audit record stores: tenant, epoch and id."""

    audit_sql: str = ""
    """The statements that write the audit record; they are sent with the next COMMIT."""

    has_begun: bool = False
    """A connection of the tenant has an open transaction, so that a COMMIT is sent."""

    has_recorded: bool = False
    """The COMMIT that was sent last carried an audit record."""

    written_up_to: int | None = None
    """The WAL position after the last COMMIT, where the server has replicas."""

    @property
    def can_repeat(self) -> bool:
        """Whether the request or command could begin again as if it had not run."""
        return not (self.has_committed or self.has_read_body)

    def forget_audit(self) -> None:
        """Forget what the ended transaction has disclosed and changed."""
        if not self.audit.are_untouched:
            self.audit = AuditNotes()
        self.audit_sql, self.new_audit_form = "", None
        self.has_begun = self.has_recorded = False


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


def request_state() -> RequestState:
    """Return the state of the current app context; it is made on first use."""
    # It is called some fifty times in a request: each step through the proxy `g` would count.
    context: Any = g._get_current_object()  # noqa: SLF001
    try:
        return context.state  # type: ignore[no-any-return]
    except AttributeError:
        context.state = RequestState()
        return context.state  # type: ignore[no-any-return]
