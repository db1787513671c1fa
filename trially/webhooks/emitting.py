"""Write an event in the transaction in which it happens, for the endpoints that want it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from uuid_utils.compat import uuid7

from trially.database.placement import current_placement
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.database.since import lacking
from trially.jobs.wakeups import wake_after_commit
from trially.webhooks.model import EventType, WebhookDelivery, WebhookEndpoint, WebhookEvent


def emit(event_type: EventType, **ids: Any) -> None:
    """Tell the tenant's endpoints of an event, once the open transaction is committed.

    Receivers get the values of `ids`: ids, numbers of versions and states. No other value of a
    patient may be among them. A tenant without endpoints pays for one query.
    """
    if WebhookEndpoint.__tablename__ in lacking().tables:
        return
    endpoint = table_of(WebhookEndpoint).c
    wanting = db.session.scalars(
        select(endpoint.id).where(
            of_current_tenant(WebhookEndpoint),
            endpoint.is_enabled,
            endpoint.event_types.contains([event_type.value]),
        )
    ).all()
    if wanting:
        emit_to(wanting, event_type, **ids)


def emit_to(endpoint_ids: Sequence[UUID], event_type: EventType, **ids: Any) -> UUID:
    """Write an event for some endpoints, and return its id."""
    tenant_id, event_id = current_placement().tenant_id, uuid7()
    data = {name: value if isinstance(value, int) else str(value) for name, value in ids.items()}
    db.session.execute(
        insert(table_of(WebhookEvent)),
        {"id": event_id, "tenant_id": tenant_id, "type": event_type, "data": data},
    )
    db.session.execute(
        insert(table_of(WebhookDelivery)),
        [
            {
                "id": uuid7(),
                "tenant_id": tenant_id,
                "endpoint_id": endpoint_id,
                "event_id": event_id,
                "event_type": event_type,
            }
            for endpoint_id in endpoint_ids
        ],
    )
    wake_after_commit()
    return event_id
