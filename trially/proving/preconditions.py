"""Find the tenants of which nothing can be proven now: of an outdated or broken placement.

They are named in the report, and take no part in the attacks. So they spoil no proof of others.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from trially.database.model import TenantModel
from trially.errors import OperatorError
from trially.proving.acting import find_powerless
from trially.proving.attempts import Party
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, newest_revision
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

Reasons = dict[UUID, str]
"""Why nothing can be proven of a tenant, by its id."""

_SCHEMAS = """
SELECT nspname,
    to_regclass(format('%%I.alembic_version', nspname)) IS NOT NULL,
    ARRAY(SELECT relname::text FROM pg_class
        WHERE relnamespace = pg_namespace.oid AND relkind IN ('r', 'p'))
FROM pg_namespace WHERE nspname = ANY(%s)
"""


def find_unprovable(parties: Sequence[Party]) -> Reasons:
    """Return the reason for each tenant of which nothing can be proven."""
    by_server: dict[str, dict[str, list[Party]]] = defaultdict(lambda: defaultdict(list))
    for party in parties:
        by_server[party.record.server.name][party.record.database].append(party)
    reasons: Reasons = {}
    head = newest_revision(TENANT_LINEAGE)
    for server, by_database in by_server.items():
        existing = _databases_of(server)
        for database, placed in by_database.items():
            if isinstance(existing, str):
                reasons |= {party.tenant.id: existing for party in placed}
            elif database not in existing:
                missing = f"the database {database} is missing"
                reasons |= {party.tenant.id: missing for party in placed}
            else:
                reasons |= _examine(server, database, placed, head)
    return reasons


def _databases_of(server: str) -> set[str] | str:
    """Return the databases of a server, or the reason why they are unknown."""
    try:
        with server_access(server).administer() as raw:
            return {name for (name,) in execute(raw, "SELECT datname FROM pg_database")}
    except (OperatorError, psycopg2.Error) as error:
        return f"the server {server} does not answer ({type(error).__name__})"


def _examine(server: str, database: str, placed: Sequence[Party], head: str) -> Reasons:
    try:
        with server_access(server).administer(database) as raw:
            reasons = dict(_broken(raw, placed, head))
    except psycopg2.Error as error:
        reason = f"the database {database} cannot be examined ({type(error).__name__})"
        return {party.tenant.id: reason for party in placed}
    usable = [party for party in placed if party.tenant.id not in reasons]
    return reasons | dict(find_powerless(usable))


def _broken(raw: connection, placed: Sequence[Party], head: str) -> Iterator[tuple[UUID, str]]:
    schemas = {
        name: (is_migrated, set(tables))
        for name, is_migrated, tables in execute(
            raw, _SCHEMAS, sorted({party.record.schema for party in placed})
        )
    }
    guarded = {
        UUID(str(tenant_id)): (epoch, is_suspended)
        for tenant_id, epoch, is_suspended in execute(
            raw, "SELECT tenant_id, epoch, is_suspended FROM trially.placement"
        )
    }
    faults = {
        schema: _fault_of(raw, schema, schemas.get(schema), head)
        for schema in {party.record.schema for party in placed}
    }
    for party in placed:
        fault = faults[party.record.schema] or _fault_of_guard(party, guarded)
        if fault is not None:
            yield party.tenant.id, fault


def _fault_of(
    raw: connection, schema: str, found: tuple[bool, set[str]] | None, head: str
) -> str | None:
    """Return what is wrong with a schema, or None."""
    if found is None:
        return f"the schema {schema} is missing"
    is_migrated, tables = found
    revisions = []
    if is_migrated:
        name = sql.Identifier(schema, "alembic_version")
        revisions = execute(raw, sql.SQL("SELECT version_num FROM {}").format(name))
    if revisions != [(head,)]:
        known = ", ".join(revision for (revision,) in revisions) or "no revision"
        return f"the schema {schema} is at {known}, not at {head}; run `flask db upgrade`"
    missing = {table.name for table in TenantModel.metadata.sorted_tables} - tables
    if missing:
        return f"the schema {schema} has no table {', '.join(sorted(missing))}"
    return None


def _fault_of_guard(party: Party, guarded: dict[UUID, tuple[int, bool]]) -> str | None:
    """Return what differs between the guard's copy of a placement and the catalog, or None."""
    is_suspended = party.tenant.status == TenantStatus.SUSPENDED
    if guarded.get(party.tenant.id) != (party.record.epoch, is_suspended):
        return "the guard's copy of its placement differs from the catalog; see `flask doctor`"
    return None
