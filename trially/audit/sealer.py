"""Seal the audit logs of tenants, and index their patients."""

from collections.abc import Callable
from dataclasses import dataclass

from trially.audit.indexing import extend_index
from trially.audit.tenant_log import tenant_connection, tenant_log
from trially.database.session import db
from trially.seals import Seal, seal
from trially.tenancy.context import administered_tenant


@dataclass(frozen=True)
class Sealed:
    """What one run of the sealer did for one tenant."""

    slug: str
    seals: int
    records: int
    indexes: int


def seal_tenant(slug: str, report: Callable[[Seal], None] = lambda _: None) -> Sealed:
    """Seal the records of a tenant that have no seal, one batch in each transaction.

    `report` is called after each seal that was committed. Raises `UnknownTenantError`.
    """
    seals = records = 0
    with administered_tenant(slug) as entry:
        log = tenant_log()
        while made := seal(tenant_connection(), log, most=1):
            db.session.commit()
            for each in made:
                seals, records = seals + 1, records + each.count
                report(each)
        db.session.commit()
        indexes = extend_index(tenant_connection(), log) if seals else 0
        db.session.commit()
        return Sealed(entry.slug, seals, records, indexes)
