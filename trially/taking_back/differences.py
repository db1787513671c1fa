"""Find the rows that differ between a tenant and a restored copy of it. No value is shown."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from trially.errors import OperatorError
from trially.tenancy.archives.loading import NOT_LOADED
from trially.tenancy.catalog import Tenant
from trially.tenancy.encrypting.states import refuse_encrypted
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.comparing import hash_buckets, hash_rows_of
from trially.tenancy.lifecycle.moving.sides import SideSession, side_of
from trially.tenancy.lifecycle.moving.tables import MovedTable, common_tables
from trially.tenancy.recovery.copying import RelabelledTable

COUNTERS = frozenset({"version", "updated_at", "clinical_version"})
"""Columns that count writes. A row in which nothing else differs is not different."""

DERIVED = frozenset(
    {
        *("patient_search_term", "possible_duplicate", "idempotency_key"),
        *("erased_patient", "person_erasure"),
    }
)
"""Tables whose rows follow from others, or only remember requests and erasures."""


class TakeBackError(OperatorError):
    """Rows cannot be compared or taken back. The message says why, and what to do."""


@dataclass(frozen=True)
class TableDifference:
    """The ids of the rows of a table that differ, as seen from the copy."""

    table: str
    added: Sequence[str]
    """Rows that the copy does not have."""

    removed: Sequence[str]
    """Rows that only the copy has."""

    changed: Sequence[str]
    """Rows that both have with other values."""


def compare_data(slug: str, copy_slug: str, tables: Collection[str]) -> list[TableDifference]:
    """Return how the rows of a tenant differ from those of its copy. Without tables, of all.

    Audit logs and jobs are not compared, because they are not restored, nor is what follows from
    other rows. Raises
    `UnknownTenantError`, or `TakeBackError` for different revisions and unknown tables.
    """
    tenant, copy = get_tenant(slug), get_tenant(copy_slug)
    refuse_different_revisions(tenant, copy)
    for each in (slug, copy_slug):
        refuse_encrypted(each, "its rows cannot be compared with those of another tenant")
    ours, theirs = side_of(tenant.placement), side_of(copy.placement)
    found = {
        table.name: table
        for table in common_tables(theirs, ours)
        if table.name not in NOT_LOADED | DERIVED
    }
    if unknown := set(tables) - found.keys():
        raise TakeBackError(
            f"There is no table {', '.join(sorted(unknown))} that is compared. Tables that are:"
            f" {', '.join(sorted(found))}."
        )
    with ours.reading() as here, theirs.reading() as there:
        differences = [
            _compare(here, there, found[name]) for name in sorted(tables or found.keys())
        ]
    return [each for each in differences if each.added or each.removed or each.changed]


def refuse_different_revisions(tenant: Tenant, copy: Tenant) -> None:
    """Raise `TakeBackError` if the tables of both tenants have different revisions."""
    ours, theirs = tenant.placement.revision, copy.placement.revision
    if ours != theirs:
        raise TakeBackError(
            f"{tenant.slug} is at the revision {ours}, and {copy.slug} at {theirs}. Migrate both"
            " with `flask tenants migrate`."
        )


def _compare(here: SideSession, there: SideSession, table: MovedTable) -> TableDifference:
    columns = tuple(column for column in table.columns if column.name not in COUNTERS)
    tenant_id = here.side.tenant_id
    ours = MovedTable(table.name, columns)
    theirs = RelabelledTable(table.name, columns, tenant_id)
    mine, others = hash_buckets(here, ours), hash_buckets(there, theirs)
    buckets = [each for each in mine.keys() | others.keys() if mine.get(each) != others.get(each)]
    return _differences(
        table.name, hash_rows_of(here, ours, buckets), hash_rows_of(there, theirs, buckets)
    )


def _differences(table: str, ours: Mapping[str, int], theirs: Mapping[str, int]) -> TableDifference:
    common = ours.keys() & theirs.keys()
    return TableDifference(
        table,
        added=sorted(ours.keys() - theirs.keys()),
        removed=sorted(theirs.keys() - ours.keys()),
        changed=sorted(each for each in common if ours[each] != theirs[each]),
    )
