"""The state of one request, command or job, as one typed object."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import g
from flask.globals import _cv_app

from trially.audit_notes import AuditNotes

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from opentelemetry.trace import Span

    from trially.audit.actors import Actor
    from trially.audit.working import Work
    from trially.auth.members.identities import Identity
    from trially.auth.organisations.persons import Person as PersonOfOrganisation
    from trially.auth.platform.callers import Caller as PlatformCaller
    from trially.auth.tokens import Claims
    from trially.database.direct import DirectTransaction
    from trially.database.placement import Placement
    from trially.http.trace_context import Caller
    from trially.keys.api_keys import PresentedKey
    from trially.rate_limits.counts import Standing
    from trially.request_cycle.bulkheads import Compartment
    from trially.tenancy.directory import TenantEntry
    from trially.tenancy.tasks.asking import Asked
    from trially.tenancy.tenant_entries import SupportAccess


@dataclass(slots=True)
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

    credential: "Claims | PresentedKey | None" = None
    """What the verified token says, or the API key that was sent."""

    tenant: "TenantEntry | None" = None
    placement: "Placement | None" = None
    direct: "DirectTransaction | None" = None
    """The open transaction that no session has begun: see `trially.database.direct`."""

    derived_keys: "dict[tuple[str, int, UUID | None], Any]" = field(default_factory=dict)
    """Ciphers and blind indexes of the tenant's columns: by context and version of its data key."""

    support: "SupportAccess | None" = None
    """The caller's support grant for the tenant, if there is one."""

    identity: "Identity | None" = None
    caller_of_platform: "PlatformCaller | None" = None
    """The operator who sends a request to the platform API."""

    person_of_organisation: "PersonOfOrganisation | None" = None
    """The person who sends a request for an organisation."""

    asked: "Asked | None" = None
    """What a request to the platform API asks for, if it does not only read."""

    is_replayed: bool = False
    """A request to the platform API repeats an earlier one, and is answered with its operation."""

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

    standings: "tuple[Standing, ...]" = ()
    """What is left of the limits that the request was counted in."""

    hidden_members: "dict[tuple[UUID, str], tuple[str, ...]]" = field(default_factory=dict)
    """The custom fields that are masked in answers: by tenant id and resource."""

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

    database_seconds: float = 0.0
    """How long the transactions that have ended have waited for the tenant's database."""

    runs_job: bool = False
    """A job of the tenant runs in this context."""

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


def request_state() -> RequestState:
    """Return the state of the current app context; it is made on first use."""
    # It is called some sixty times in a request. Each call through the proxy `g` takes four times
    # as long as one through Flask's variable behind it, which has no public name.
    try:
        return _cv_app.get().g.state  # type: ignore[no-any-return]
    except (LookupError, AttributeError):
        context: Any = g
        context.state = state = RequestState()
        return state
