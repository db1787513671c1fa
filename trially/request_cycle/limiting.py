"""Count requests against the limits of the tenant's plan, and refuse what exceeds them.

Only requests of members are counted: a token that is not valid, or a caller who is no member,
spends nothing of a tenant's requests.

A limit that is used up stays so until its minute ends. So a caller who was refused is refused again
for half a second without the work of a request: a client that repeats its requests at once takes
less of the process from other tenants.
"""

from hashlib import sha256
from typing import NamedTuple

from flask import Flask, Response, request

from trially.auth.members.identities import Identity
from trially.auth.named_tenants import read_choices
from trially.auth.plan_refusals import too_many_requests
from trially.cache.ttl_cache import TTLCache
from trially.config import current_settings
from trially.http.problems import TooManyRequests
from trially.keys import current_keys
from trially.observability.limit_metrics import limit_refusals_total, limit_store_available
from trially.observability.tenant_metrics import labels
from trially.rate_limits.counts import API_KEY, MEMBER, TENANT, Budget, Standing, share_of_caller
from trially.rate_limits.headers import rate_limit_headers
from trially.rate_limits.limiter import ExhaustedError, RateLimiter
from trially.rate_limits.store import Store
from trially.request_state import request_state
from trially.state import app_state, state_of
from trially.tenancy.context import enter_tenant
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.tenant_entries import TenantEntry

REFUSED_SECONDS = 0.5
"""How long a caller is refused again without being verified. Changed plans are known as late."""

MOST_REFUSED = 1_000


class Refused(NamedTuple):
    """A caller whose limit, or whose tenant's, is used up."""

    identity: Identity
    tenant: TenantEntry
    exhausted: Standing
    standings: tuple[Standing, ...]


def refuse_again() -> None:
    """Raise `TooManyRequests` if the request has the credential of one that was just refused."""
    refused_callers = app_state().refused_callers
    refused = refused_callers.get(_presented()) if len(refused_callers) else None
    if refused is None:
        return
    enter_tenant(refused.tenant)
    request_state().identity = refused.identity
    raise _too_many(refused)


def count_request(identity: Identity, tenant: TenantEntry) -> None:
    """Count the current request once, or raise `TooManyRequests`."""
    most, state = tenant.plan.most(Limit.REQUESTS_PER_MINUTE), request_state()
    if most is None or state.standings:
        return
    tenant_id, epoch = tenant.tenant_id, tenant.placement.epoch
    of_caller = share_of_caller(most, current_settings().member_request_share)
    # A program that runs away does not lock out the person who has made its key.
    kind, caller_id = MEMBER, identity.member_id
    if identity.api_key_id is not None:
        kind, caller_id = API_KEY, identity.api_key_id
    try:
        state.standings = app_state().rate_limiter.spend(
            Budget(TENANT, tenant_id, epoch, most),
            Budget(kind, tenant_id, epoch, of_caller, caller_id),
        )
    except ExhaustedError as error:
        refused = Refused(identity, tenant, error.exhausted, error.standings)
        if error.exhausted.seconds > 1:
            app_state().refused_callers.put(_presented(), refused)
        raise _too_many(refused) from None


def _presented() -> bytes:
    """Return a digest of the credential of the request and of the tenants that it names."""
    shown = (request.environ.get("HTTP_AUTHORIZATION"), sorted(read_choices()))
    return sha256(repr(shown).encode()).digest()


def _too_many(refused: Refused) -> TooManyRequests:
    request_state().standings = refused.standings
    limit_refusals_total.labels(
        labels.label_of(refused.tenant.tenant_id), refused.exhausted.name
    ).inc()
    return too_many_requests(refused.exhausted, refused.tenant)


def show_standings(response: Response) -> Response:
    """Tell the client how much of the limits is left."""
    standings = request_state().standings
    if standings:
        response.headers.update(rate_limit_headers(standings))
    return response


def init_app(app: Flask) -> None:
    """Give the app its counts."""
    state, settings = state_of(app), state_of(app).settings
    state.refused_callers = TTLCache(MOST_REFUSED, REFUSED_SECONDS)
    store = None if settings.redis_url is None else Store(settings.redis_url)
    with app.app_context():
        state.rate_limiter = RateLimiter(current_keys(), settings.processes, store)
    limit_store_available.set(1)  # A store that is not there does not fail.
    app.after_request(show_standings)
