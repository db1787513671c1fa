"""Checks that the audit logs of tenants are sealed, and go on next year."""

import datetime as dt
from collections.abc import Iterator, Sequence

from psycopg2 import sql

from trially.doctor.databases import ExaminedDatabase
from trially.doctor.findings import Check, Problem, warning

HOURS_WITHOUT_SEAL = 1
"""Older records should be sealed. A long transaction on the server delays their seals."""

# The first record after the last seal of each tenant is found by the index of their order.
_UNSEALED = """
SELECT tenant_id::text, first.at
FROM unnest(%s::uuid[]) AS tenant_id
LEFT JOIN LATERAL (
    SELECT last[1]::int AS epoch, last[2]::bigint AS transaction_id, last[3]::uuid AS id
    FROM {schema}.audit_seal seal WHERE seal.tenant_id = tenant_id.tenant_id
    ORDER BY number DESC LIMIT 1
) AS sealed ON true
CROSS JOIN LATERAL (
    SELECT record.at FROM {schema}.audit_record record
    WHERE record.tenant_id = tenant_id.tenant_id
    AND (record.epoch, record.transaction_id, record.id) > (
        coalesce(sealed.epoch, 0), coalesce(sealed.transaction_id, 0),
        coalesce(sealed.id, '00000000-0000-0000-0000-000000000000')
    )
    ORDER BY record.epoch, record.transaction_id, record.id LIMIT 1
) AS first
WHERE first.at < now() - make_interval(hours => %s)
"""


def audit_logs_have_partitions_ahead(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that each audit log has a partition for this year and for the next."""
    schemas = set(database.schemas_with("audit_record"))
    rows = database.rows(
        "SELECT relnamespace::regnamespace::text, relname, extract(year FROM now())::int"
        " FROM pg_class WHERE relispartition AND relname ~ '^audit_record_[0-9]{4}$'"
        " UNION ALL SELECT NULL, NULL, extract(year FROM now())::int"
    )
    this_year = rows[-1][2]
    existing = {(schema, name) for schema, name, _ in rows}
    for schema in sorted(schemas):
        for year in (this_year, this_year + 1):
            if (schema, f"audit_record_{year}") not in existing:
                what = f"the audit log in {schema} has no partition for {year}"
                remedy = "Upgrade to a version whose migrations make the partition."
                yield warning(what, remedy)


def audit_logs_are_sealed(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for audit records that have no seal after some time: no sealer runs."""
    sealed = set(database.schemas_with("audit_seal"))
    tenants_by_schema: dict[str, dict[str, str]] = {}
    for tenant in database.expected.served:
        if tenant.placement.schema in sealed:
            slugs = tenants_by_schema.setdefault(tenant.placement.schema, {})
            slugs[str(tenant.id)] = tenant.slug
    for schema, slugs in sorted(tenants_by_schema.items()):
        for tenant_id, since in _first_unsealed(database, schema, list(slugs)):
            what = f"the audit records since {since:%Y-%m-%d %H:%M} UTC have no seal"
            remedy = "Run `flask audit seal --all --every 10s` beside the app."
            yield warning(what, remedy, slugs[tenant_id])


def _first_unsealed(
    database: ExaminedDatabase, schema: str, tenant_ids: Sequence[str]
) -> Sequence[tuple[str, dt.datetime]]:
    """Return the tenants with old records that have no seal, with the time of the first."""
    statement = sql.SQL(_UNSEALED).format(schema=sql.Identifier(schema))
    return database.rows(statement, list(tenant_ids), HOURS_WITHOUT_SEAL)


AUDIT_LOG_CHECKS: tuple[Check[ExaminedDatabase], ...] = (
    audit_logs_have_partitions_ahead,
    audit_logs_are_sealed,
)
