"""Restored tenants: a copy of a tenant sends nothing to the addresses of the other one."""

from uuid import UUID

from psycopg2 import sql

from trially.tenancy.archives.signals import rows_loaded
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.webhooks.model import WebhookDelivery, WebhookEndpoint

_DISABLE = "UPDATE {} SET is_enabled = false, disabled_reason = 'copy' WHERE {}"
_END = "UPDATE {} SET state = 'failed', error = 'endpoint_disabled' WHERE state = 'pending' AND {}"


@rows_loaded.connect
def disable_in_copies(record: PlacementRecord, source_tenant_id: UUID, **_: object) -> None:
    """Disable the endpoints of a tenant that has the rows of another one.

    Their secrets derive from the other one's data key, so each needs a new one in any case.
    """
    if record.tenant_id == source_tenant_id:
        return
    side = side_of(record)
    with side.writing() as session:
        for statement, model in ((_END, WebhookDelivery), (_DISABLE, WebhookEndpoint)):
            table = side.table(model.__tablename__)
            session.run(sql.SQL(statement).format(table, side.is_tenants))
