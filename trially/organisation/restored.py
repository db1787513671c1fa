"""Restored tenants: settings of another tenant become the new tenant's own."""

from uuid import UUID

from flask import current_app
from psycopg2 import sql

from trially.auth.members.provisioning.model import ProvisioningSetting
from trially.database.placement import Placement, enter_placement
from trially.database.session import transaction
from trially.organisation.branding.publishing import publish
from trially.organisation.model import TenantBranding, TenantLogo, TenantSetting
from trially.tenancy.archives.signals import rows_loaded, tenant_restored
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.lifecycle.moving.sides import side_of

_ADOPTED = {
    TenantSetting: sql.SQL("id = tenant_id"),
    TenantBranding: sql.SQL("id = tenant_id, domain = NULL, domain_token = NULL"),
    TenantLogo: sql.SQL("id = tenant_id"),
    ProvisioningSetting: sql.SQL("id = tenant_id"),
}
"""What changes in the rows. The domain stays the archive's tenant's, which has the proof."""


@rows_loaded.connect
def adopt_settings(record: PlacementRecord, source_tenant_id: UUID, **_: object) -> None:
    """Give the rows of an archive the id of the tenant that they are restored for."""
    if record.tenant_id == source_tenant_id:
        return
    side = side_of(record)
    with side.writing() as session:
        for model, values in _ADOPTED.items():
            session.run(
                sql.SQL("UPDATE {} SET {} WHERE {} AND id <> tenant_id").format(
                    side.table(model.__tablename__), values, side.is_tenants
                )
            )


@tenant_restored.connect
def publish_restored(placement: Placement) -> None:
    """Publish the settings that a restored tenant has."""
    with current_app.app_context():
        enter_placement(placement)
        with transaction():
            publish({})
