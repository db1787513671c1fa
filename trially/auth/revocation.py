"""Revoke a tenant's tokens: those of all subjects, or of one."""

import datetime as dt

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert

from trially.state import app_state
from trially.tenancy.catalog import TokenCutOff
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.directory import MAX_TOKEN_LIFETIME, directory
from trially.tenancy.lifecycle.listing import get_tenant


def revoke_tokens(
    reference: str, *, subject: str | None = None, issuer: str | None = None
) -> dt.datetime:
    """Reject a tenant's tokens that were issued before now, and return the cut-off.

    Without `subject` all subjects are affected, without `issuer` all issuers. The catalog's clock
    gives the time, and every process applies the cut-off within seconds. Raises
    `UnknownTenantError`.
    """
    tenant = get_tenant(reference)
    recorded = app_state().token_verifier.recorded_name(issuer) if issuer else ""
    statement = insert(TokenCutOff).values(
        tenant_id=tenant.id, issuer=recorded, subject=subject or ""
    )
    statement = statement.on_conflict_do_update(
        index_elements=["tenant_id", "issuer", "subject"], set_={"cut_off_at": func.now()}
    )
    with catalog_transaction() as session:
        cut_off_at: dt.datetime = session.scalars(statement.returning(TokenCutOff.cut_off_at)).one()
        session.execute(
            delete(TokenCutOff).where(TokenCutOff.cut_off_at < func.now() - MAX_TOKEN_LIFETIME)
        )
    directory().forget(tenant.id)
    return cut_off_at
