"""The route that shows a tenant's owner who has support access."""

from typing import Any

from flask import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import column, func, select
from sqlalchemy.orm import Session

from trially.auth.permissions import Permission, requires
from trially.auth.refusals import control_plane_unavailable
from trially.auth.roles import PhiLevel, Role
from trially.auth.support.grants import GrantState, shown
from trially.http.contract import queries, returns_page
from trially.http.fields import EXAMPLE, Choice, PageQuerySchema
from trially.http.pages import Page, make_page, read_cursor
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.context import current_tenant
from trially.tenancy.operators.model import SupportGrant

COLUMNS = [column(each.name, each.type) for each in SupportGrant.__table__.columns]

bp = Blueprint("support", __name__, url_prefix="/audit/support-grants")


class SupportGrantSchema(Schema):
    """The permission of an operator to enter the tenant for a limited time."""

    id = fields.UUID(dump_only=True)
    state = Choice(GrantState, dump_only=True)
    issuer = fields.String(dump_only=True, metadata={EXAMPLE: "https://login.trially.ai"})
    subject = fields.String(dump_only=True, metadata={EXAMPLE: "operator-7"})
    role = Choice(Role, dump_only=True)
    phi_level = Choice(PhiLevel, dump_only=True)
    reason = fields.String(dump_only=True, metadata={EXAMPLE: "The nightly import stops."})
    ticket = fields.String(dump_only=True, metadata={EXAMPLE: "T-1207"})
    minutes = fields.Integer(
        dump_only=True, metadata={"description": "How long the grant lasts from its approval on."}
    )
    requested_by = fields.String(dump_only=True, metadata={EXAMPLE: "jo"})
    requested_at = fields.AwareDateTime(dump_only=True)
    approved_by = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "kim"})
    approved_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    expires_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    revoked_by = fields.String(dump_only=True, allow_none=True, metadata={EXAMPLE: "kim"})
    revoked_at = fields.AwareDateTime(dump_only=True, allow_none=True)


@bp.get("")
@requires(Permission.SUPPORT_READ)
@queries(PageQuerySchema())
@returns_page(SupportGrantSchema())
def list_support_grants(query: dict[str, Any]) -> Page:
    """List support grants, newest first.

    An operator enters the tenant only with a grant that a second person has approved. A grant is
    listed from its request on, and stays listed after its end. `role` and `phi_level` say what the
    operator can do until `expires_at`.
    """
    tenant_id = current_tenant().tenant_id
    after, limit = read_cursor(tenant_id, query), query["limit"]
    grant = func.support_grants_of(tenant_id).table_valued(*COLUMNS)
    statement = select(grant).order_by(grant.c.id.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(grant.c.id < after[0])

    def read() -> tuple[list[dict[str, Any]], int | None]:
        with Session(reader_engine()) as session:
            items = [shown(each) for each in session.execute(statement)]
            counting = select(func.count()).select_from(grant)
            return items, session.scalar(counting) if query.get("total") else None

    try:
        items, total = catalog_reader().ask(read)
    except CatalogUnavailableError:
        raise control_plane_unavailable() from None
    page = make_page(items, limit, tenant_id=tenant_id, position=("id",), query=query)
    if total is not None:
        page["page"]["total"] = total
    return page
