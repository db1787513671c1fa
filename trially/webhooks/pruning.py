"""Delete events that are old, with the log of their deliveries."""

from sqlalchemy import TextClause, text

from trially.database.placement import current_placement
from trially.database.session import db

KEPT_DAYS = 30

_DELETE: TextClause = text(
    """
    DELETE FROM webhook_event WHERE tenant_id = :tenant_id AND id IN (
        SELECT id FROM webhook_event WHERE tenant_id = :tenant_id
            AND happened_at < now() - make_interval(days => :days) LIMIT 1000)
    """
)


def delete_old_events() -> None:
    """Delete at most 1,000 events of the current tenant that are older than `KEPT_DAYS`."""
    db.session.execute(_DELETE, {"tenant_id": current_placement().tenant_id, "days": KEPT_DAYS})
