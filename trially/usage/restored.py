"""Restored tenants: a new tenant has not used what the rows of another one say."""

from uuid import UUID

from psycopg2 import sql

from trially.tenancy.archives.signals import rows_loaded
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.usage.model import DailyUsage


@rows_loaded.connect
def forget_days(record: PlacementRecord, source_tenant_id: UUID, **_: object) -> None:
    """Delete the days of the archive's tenant from a tenant that is another one.

    The catalog has copies of them, so the archive's tenant is still billed for them.
    """
    if record.tenant_id == source_tenant_id:
        return
    side = side_of(record)
    table = side.table(DailyUsage.__tablename__)
    with side.writing() as session:
        session.run(sql.SQL("DELETE FROM {} WHERE {}").format(table, side.is_tenants))
