"""Routes of the issuers that a tenant has registered for itself."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.administration.issuers import managing
from trially.administration.issuers.schema import (
    ForceQuerySchema,
    IssuerChangeSchema,
    IssuerProofSchema,
    IssuerReportSchema,
    IssuerSchema,
    IssuersSchema,
)
from trially.auth.permissions import Permission, requires
from trially.config import current_settings
from trially.database.rows import Item
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    may_conflict,
    only_reads,
    queries,
    returns,
    returns_nothing,
    returns_version,
)
from trially.http.etags import Versions

bp = Blueprint("issuers", __name__, url_prefix="/issuers")


@bp.get("")
@requires(Permission.ISSUERS_READ)
@returns(IssuersSchema())
def list_issuers() -> Item:
    """List the issuers that the tenant has registered for itself, oldest first.

    The issuers that operators trust are not among them.
    """
    return {"data": managing.list_all(), "most": current_settings().own_issuers_per_tenant}


@bp.post("")
@requires(Permission.ISSUERS_WRITE)
@may_conflict
@accepts(IssuerSchema())
@returns_version(IssuerSchema(), HTTPStatus.CREATED)
def register_issuer(body: dict[str, Any]) -> Item:
    """Register an OpenID Connect issuer for the tenant.

    The answer names the `audience` that access tokens of the issuer must have. Its tokens do not
    count before it is proven. Issuers of operators and of everybody cannot be registered.
    """
    return managing.register(body)


@bp.get("/<uuid:issuer_id>")
@requires(Permission.ISSUERS_READ)
@returns_version(IssuerSchema())
def show_issuer(issuer_id: UUID) -> Item:
    """Show an issuer.

    `status` says whether its tokens count, and `audience` what they must name.
    """
    return managing.find(issuer_id)


@bp.patch("/<uuid:issuer_id>")
@requires(Permission.ISSUERS_WRITE)
@matches_versions
@may_conflict
@queries(ForceQuerySchema())
@accepts_merge_patch(IssuerChangeSchema(partial=True))
@returns_version(IssuerSchema())
def change_issuer(
    issuer_id: UUID, versions: Versions | None, query: dict[str, Any], body: dict[str, Any]
) -> Item:
    """Change the name or the longest lifetime of tokens, or disable or enable an issuer.

    The body is a merge patch (RFC 7396). The tokens of a disabled issuer are refused within 5
    seconds. If all owners sign in at it, the answer is 409, unless `force` is true.
    """
    return managing.change(issuer_id, versions, body, force=query["force"])


@bp.delete("/<uuid:issuer_id>")
@requires(Permission.ISSUERS_WRITE)
@matches_versions
@may_conflict
@queries(ForceQuerySchema())
@returns_nothing
def remove_issuer(issuer_id: UUID, versions: Versions | None, query: dict[str, Any]) -> None:
    """Remove an issuer.

    Its tokens are refused within 5 seconds. Its members stay members, and need another way in. If
    all owners sign in at it, the answer is 409, unless `force` is true.
    """
    managing.remove(issuer_id, versions, force=query["force"])


@bp.post("/<uuid:issuer_id>/test")
@requires(Permission.ISSUERS_WRITE)
@only_reads
@returns(IssuerReportSchema())
def test_issuer(issuer_id: UUID) -> Item:
    """Fetch the discovery document and the keys of an issuer now.

    The answer says what is wrong, and which keys are usable. It comes within 5 seconds.
    """
    return managing.test(issuer_id)


@bp.post("/<uuid:issuer_id>/prove")
@requires(Permission.ISSUERS_WRITE)
@may_conflict
@accepts(IssuerProofSchema())
@returns_version(IssuerSchema())
def prove_issuer(issuer_id: UUID, body: dict[str, Any]) -> Item:
    """Prove the control of an issuer by a token that it has signed for `audience`.

    From then on its tokens count for the members of the tenant, and for persons who are invited
    with this issuer. Only who administers an issuer can make it sign for that audience.
    """
    return managing.prove(issuer_id, body["token"])
