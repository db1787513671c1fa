"""Compare what clients were told with what the databases hold."""

from collections import Counter
from dataclasses import dataclass

from faults.installation import Installation
from faults.load import Record


@dataclass(frozen=True)
class Audit:
    """The comparison's result: keys of writes."""

    acknowledged: int
    lost: tuple[str, ...]
    """Acknowledged, and not in the tenant's rows."""

    doubled: tuple[str, ...]
    """Stored more than once."""

    foreign: tuple[str, ...]
    """Stored in another tenant's rows, or read by another tenant."""


def audit(installation: Installation, record: Record) -> Audit:
    """Read all rows of a run as the administrator, who bypasses row-level security."""
    rows: Counter[tuple[str, str]] = Counter()
    slugs = {tenant.id: tenant.slug for tenant in installation.tenants}
    places = {(tenant.server, tenant.database, tenant.schema) for tenant in installation.tenants}
    for server, database, schema in sorted(places):
        statement = f'SELECT tenant_id::text, mrn FROM "{schema}".patient WHERE mrn LIKE %s'
        found = installation.servers[server].ask(statement, f"{record.prefix}%", database=database)
        rows.update((slugs[tenant], mrn) for tenant, mrn in found)
    stored = [
        f"{tenant} holds {mrn}"
        for tenant, mrn in rows
        if not mrn.startswith(f"{record.prefix}{tenant}.")
    ]
    return Audit(
        acknowledged=len(record.acknowledged),
        lost=tuple(key for tenant, key in record.acknowledged if not rows[tenant, key]),
        doubled=tuple(mrn for (_, mrn), number in rows.items() if number > 1),
        foreign=(*stored, *record.foreign_reads),
    )
