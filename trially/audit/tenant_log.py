"""The audit log of a tenant, as the seals know it."""

from uuid import UUID

from psycopg2.extensions import connection

from trially.database.placement import current_placement
from trially.database.session import db, open_transaction
from trially.seals import Log

COLUMNS = (
    *("epoch", "transaction_id", "id", "at", "form_id", "member_id"),
    *("outcome", "operator", "request_id", "subjects", "details"),
)
"""The columns that are sealed. The name of the log has the tenant's id."""


def tenant_log(tenant_id: UUID | None = None) -> Log:
    """Return the log of a tenant, by default the current one, whose era is then known.

    The era is the epoch: the guard admits only transactions of the current one, and a change of it
    waits for all others to end. So every record of an earlier epoch is of an ended transaction.
    """
    return Log(
        "audit_record",
        "audit_seal",
        COLUMNS,
        tenant_id or current_placement().tenant_id,
        order=("epoch", "transaction_id", "id"),
        transaction_type="bigint",
        current_era=current_placement().epoch if tenant_id is None else None,
    )


def tenant_connection() -> connection:
    """Return the connection of the current tenant's session. The session commits it.

    If no transaction is open, it is opened where the tenant is placed now.
    """
    open_transaction()
    raw: connection | None = db.session.connection().connection.driver_connection
    assert raw is not None  # noqa: S101
    return raw
