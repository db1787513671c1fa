"""Routes with which a tenant's owner shares counts with organisations, and ends that."""

from uuid import UUID

from flask import Blueprint

from trially.analytics.sharing.consenting import join, leave, read_sharing
from trially.analytics.sharing.schema import SharingSchema
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import returns, returns_nothing

bp = Blueprint("sharing", __name__, url_prefix="/sharing")


@bp.get("")
@requires(Permission.SETTINGS_READ)
@returns(SharingSchema())
def show_sharing() -> Item:
    """Show with which organisations the tenant shares counts, and which counts.

    `counts` has the newest numbers that have left the tenant. An organisation sees of the tenant
    what follows from these and earlier ones.
    """
    return read_sharing()


@bp.post("/<uuid:organisation_id>/join")
@requires(Permission.COUNTS_SHARE)
@returns(SharingSchema())
def join_organisation(organisation_id: UUID) -> Item:
    """Accept the invitation of an organisation, and share counts with it.

    Operators invite, and only an owner accepts. A worker counts the tenant then, and again each
    week. People of the organisation and operators see sums over its tenants, and no row.
    """
    return join(organisation_id)


@bp.delete("/<uuid:organisation_id>")
@requires(Permission.COUNTS_SHARE)
@returns_nothing
def leave_organisation(organisation_id: UUID) -> None:
    """Leave an organisation, or decline its invitation.

    The organisation sees nothing of the tenant any more, also not of earlier days. The counts are
    deleted if the tenant is in no other organisation.
    """
    leave(organisation_id)
