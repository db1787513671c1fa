"""Register, test, prove, change and remove the issuers of the current tenant."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from uuid_utils.compat import uuid7

from trially.administration.granting import Granter, lock_granter
from trially.administration.issuers.schema import IssuerStatus
from trially.administration.owners import is_way_in, issuers_of_owners, status_of
from trially.auth.own_issuers import registering
from trially.auth.own_issuers.audiences import audience_of
from trially.auth.own_issuers.registering import Registered
from trially.auth.own_issuers.testing import TooManyTestsError, run_test
from trially.auth.own_issuers.verifying import own_issuers
from trially.auth.permissions import Permission
from trially.auth.roles import permissions_of
from trially.auth.token_errors import HINTS, TokenError, UnverifiableTokenError
from trially.config import LOOPBACK_HOSTS, current_settings
from trially.database.changes import note_change_of_catalog
from trially.database.placement import current_placement
from trially.database.rows import Item
from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.problems import (
    Conflict,
    Forbidden,
    NotFound,
    PreconditionFailed,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    validation_failed,
)
from trially.http.retry_after import retry_after
from trially.outgoing.addresses import may_be_public
from trially.tenancy.own_issuers import TenantIssuer, to_own_issuer

TABLE = TenantIssuer.__tablename__

PROOF_HINTS: Mapping[str, str] = {
    **HINTS,
    "too_old": "The token was issued more than 10 minutes ago. Get a new one.",
    "wrong_audience": "The claim `aud` does not have the value of `audience`.",
    "unknown_issuer": "The claim `iss` is another issuer.",
    "bad_lifetime": "The time from `iat` to `exp` is longer than `max_lifetime_seconds`, or `exp`"
    " is not after `iat`.",
}
"""For each reason why a token proves nothing, a sentence for the owner."""


def list_all() -> list[Item]:
    """Return the issuers of the tenant, oldest first."""
    described = [_describe(row) for row in registering.read_issuers()]
    return [{name: item[name] for name in item if name != "version"} for item in described]


def find(issuer_id: UUID) -> Item:
    """Return one issuer of the tenant, or answer 404."""
    return _describe(_row(issuer_id))


def register(body: Mapping[str, Any]) -> Item:
    """Register an issuer. Answers 403, 409 or 422. Its tokens do not count before it is proven."""
    _lock_owner()
    issuer = body["issuer"]
    check_issuer(issuer, allow_http=current_settings().development)
    if (why := own_issuers().reserved.why(issuer)) is not None:
        raise _invalid("/issuer", why)
    values = {"id": uuid7(), **body}
    most = current_settings().own_issuers_per_tenant
    match registering.register(values, most):
        case Registered.EXISTS:
            raise Conflict("The tenant has this issuer already.", code=Code.ALREADY_EXISTS)
        case Registered.TOO_MANY:
            raise Conflict(f"A tenant may register {most} issuers. Remove one.")
    note_change_of_catalog(TABLE, values["id"], {name: (None, values[name]) for name in body})
    return find(values["id"])


def test(issuer_id: UUID) -> Item:
    """Fetch the discovery document and the keys of an issuer. Answers 404 or 429."""
    row = _row(issuer_id)
    bounds = own_issuers().bounds.of(row.tenant_id)
    try:
        report = run_test(row.issuer, current_settings(), bounds)
    except TooManyTestsError:
        raise TooManyRequests(
            "The tenant's issuers were tested often just now. Wait.",
            headers=retry_after("issuer_tests", row.tenant_id),
        ) from None
    return {
        "is_usable": report.is_usable,
        "checks": [
            {"name": check.name, "is_ok": check.is_ok, "detail": check.detail}
            for check in report.checks
        ],
        "keys": [
            {"kid": kid, "algorithm": str(key.alg)} for kid, key in sorted(report.keys.items())
        ],
    }


def prove(issuer_id: UUID, raw: str) -> Item:
    """Accept an issuer that has signed a token for its audience.

    Answers 403, 404, 422 or 503.
    """
    _lock_owner()
    row = _row(issuer_id)
    if (why := own_issuers().reserved.why(row.issuer)) is not None:
        raise Conflict(why)
    try:
        own_issuers().verify_proof(to_own_issuer(row), raw)
    except UnverifiableTokenError:
        raise ServiceUnavailable(
            "The keys of the issuer cannot be fetched now. Test the issuer to see why.",
            code=Code.ISSUER_UNAVAILABLE,
            headers=retry_after(Code.ISSUER_UNAVAILABLE, row.issuer),
        ) from None
    except TokenError as error:
        raise _invalid("/token", PROOF_HINTS[error.reason]) from None
    if not registering.prove(issuer_id):
        raise _not_found()
    proven = _row(issuer_id)
    note_change_of_catalog(TABLE, issuer_id, {"proven_at": (row.proven_at, proven.proven_at)})
    return _describe(proven)


def change(
    issuer_id: UUID, versions: Versions | None, body: Mapping[str, Any], *, force: bool
) -> Item:
    """Change an issuer as a merge patch says. Answers 403, 404, 409, 412 or 422."""
    owner, row = _lock_owner(), _row(issuer_id)
    former = {name: getattr(row, name) for name in ("name", "max_lifetime_seconds", "is_enabled")}
    changed = former | dict(body)
    if former["is_enabled"] and not changed["is_enabled"]:
        _keep_a_way_in(owner, row, force=force)
    _expect(row, versions, lambda: registering.change(issuer_id, row.version, changed))
    values = {name: (former[name], changed[name]) for name in former}
    note_change_of_catalog(TABLE, issuer_id, values)
    return find(issuer_id)


def remove(issuer_id: UUID, versions: Versions | None, *, force: bool) -> None:
    """Remove an issuer. Answers 403, 404, 409 or 412."""
    owner, row = _lock_owner(), _row(issuer_id)
    _keep_a_way_in(owner, row, force=force)
    _expect(row, versions, lambda: registering.remove(issuer_id, row.version))
    note_change_of_catalog(TABLE, issuer_id, {"issuer": (row.issuer, None)})


def check_issuer(issuer: str, *, allow_http: bool) -> None:
    """Answer 422 if a text is no URL of an issuer (OpenID Connect Discovery 1.0, section 3)."""
    try:
        parts = urlsplit(issuer)
        is_url = _is_url(issuer, parts, allow_http=allow_http)
    except ValueError:
        is_url = False
    if not is_url:
        raise _invalid("/issuer", "Must be an https URL without user name, query and fragment.")
    if parts.scheme == "https" and not may_be_public(parts.hostname or ""):
        raise _invalid("/issuer", "The host must have a public address.")


def _is_url(issuer: str, parts: SplitResult, *, allow_http: bool) -> bool:
    is_loopback = allow_http and parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    return (
        bool(parts.hostname)
        and (parts.scheme == "https" or is_loopback)
        and parts.port != 0
        and "@" not in parts.netloc
        and not set("?#\\ ") & set(issuer)
        and issuer.isascii()
        and issuer.isprintable()
    )


def _lock_owner() -> Granter:
    """Return the caller with present rights, or answer 403 if they do not suffice any more."""
    granter = lock_granter()
    rights = granter.rights
    has_all_sites = rights.site_ids is None
    if Permission.ISSUERS_WRITE not in permissions_of(
        rights.role, rights.phi_level, has_all_sites=has_all_sites
    ):
        raise Forbidden(
            f"You need the permission {Permission.ISSUERS_WRITE}.", code=Code.MISSING_PERMISSION
        )
    return granter


def _keep_a_way_in(owner: Granter, row: TenantIssuer, *, force: bool) -> None:
    """Answer 409 if the owners sign in at this issuer only. The owners' rows are locked."""
    if force or status_of(row) is not IssuerStatus.ACTIVE:
        return
    issuers = issuers_of_owners(owner.locked.values())
    others = issuers - {row.issuer}
    if row.issuer in issuers and not any(map(is_way_in, others)):
        raise Conflict(
            "No owner could sign in without this issuer. Make a member who signs in elsewhere an"
            " owner first, or send force=true.",
            code=Code.NO_OWNER_COULD_SIGN_IN,
        )


def _expect(row: TenantIssuer, versions: Versions | None, act: Callable[[], bool]) -> None:
    """Change the row that was read, or answer 412 if the client or somebody else has another."""
    if (versions is not None and row.version not in versions) or not act():
        raise PreconditionFailed(
            "The record has changed since that version. Read it again.", code=Code.VERSION_CONFLICT
        )


def _row(issuer_id: UUID) -> TenantIssuer:
    found = (row for row in registering.read_issuers() if row.id == issuer_id)
    row = next(found, None)
    if row is None:
        raise _not_found()
    return row


def _describe(row: TenantIssuer) -> Item:
    return {
        "id": row.id,
        "version": row.version,
        "issuer": row.issuer,
        "name": row.name,
        "audience": audience_of(current_placement().tenant_id, row.id),
        "max_lifetime_seconds": row.max_lifetime_seconds,
        "is_enabled": row.is_enabled,
        "status": status_of(row),
        "proven_at": row.proven_at,
        "created_at": row.created_at,
    }


def _not_found() -> NotFound:
    return NotFound("There is no such issuer.")


def _invalid(pointer: str, detail: str) -> Problem:
    return validation_failed([{"pointer": pointer, "detail": detail}])
