"""Checks that a tenants' database agrees with the catalog and with this version of the app."""

from collections.abc import Iterator

from trially.doctor.databases import ExaminedDatabase
from trially.doctor.findings import Check, Problem, error, warning
from trially.tenancy.catalog_choices import UNBUILT, TenantStatus
from trially.tenancy.lifecycle.moving.guards import CLOSED
from trially.tenancy.schema.guard import GUARD_SCHEMA


def schemas_match_the_catalog(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the schemas of the catalog's placements with the existing schemas, both ways."""
    existing = database.schemas
    for tenant in database.expected.tenants:
        schema = tenant.placement.schema
        if tenant.status not in UNBUILT and schema not in existing:
            what = f"the schema {schema} is missing"
            yield error(what, "Restore its tenant from a backup.", tenant.slug)
    for schema in sorted(existing - database.expected.schemas - {GUARD_SCHEMA}):
        what = f"no tenant is placed in the schema {schema}"
        yield warning(what, "Check its contents, then drop it.")


def schemas_are_at_the_head_revision(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that each schema is at the revision that this version of the app needs.

    Former placements are not migrated.
    """
    head = database.fleet.head
    former = {record.schema for record in database.expected.inactive} - {
        record.schema for record in database.expected.records
    }
    slugs = database.expected.slug_by_schema
    for schema, revisions in sorted(database.revisions.items()):
        if revisions != [head] and schema not in former:
            what = f"{schema} is at {', '.join(revisions) or 'no revision'}, not at {head}"
            remedy = "Run `flask db upgrade`."
            if database.revision_of(schema) is None:
                what += ". This version does not know that revision, so it compares nothing there"
                remedy = "Run `flask doctor` of the version that migrated it, or restore it."
            yield error(what, remedy, slugs.get(schema))


def recorded_revisions_are_true(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the revisions that the catalog records with those of the tables."""
    slugs_by_difference: dict[tuple[str, str], list[str]] = {}
    for tenant in database.expected.served:
        recorded, schema = tenant.placement.revision, tenant.placement.schema
        if schema in database.revisions and database.revisions[schema] != [recorded]:
            difference = (schema, recorded or "no revision")
            slugs_by_difference.setdefault(difference, []).append(tenant.slug)
    for (schema, recorded), slugs in slugs_by_difference.items():
        found = ", ".join(database.revisions[schema]) or "no revision"
        who = slugs[0] if len(slugs) == 1 else f"{len(slugs)} tenants"
        what = f"{schema} is at {found}, and the catalog records {recorded} for {who}"
        yield error(what, "Run `flask db upgrade`.", slugs[0] if len(slugs) == 1 else None)


def guard_placements_match_the_catalog(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the database's own copy of placements with the catalog."""
    copies = {
        tenant_id: (epoch, is_suspended)
        for tenant_id, epoch, is_suspended in database.rows(
            "SELECT tenant_id::text, epoch, is_suspended FROM trially.placement"
        )
    }
    for tenant in database.expected.tenants:
        copy = copies.pop(str(tenant.id), None)
        expected = (tenant.placement.epoch, tenant.status == TenantStatus.SUSPENDED)
        if tenant.status not in UNBUILT and copy != expected:
            what = (
                f"the guard has {tenant.slug} at {_describe(copy)},"
                f" the catalog at {_describe(expected)}"
            )
            remedy = f"Run `flask tenants suspend {tenant.slug}`, then"
            yield error(what, f"{remedy} `flask tenants resume {tenant.slug}`.", tenant.slug)
    for record in database.expected.inactive:
        copy = copies.get(str(record.tenant_id))
        if copy is not None and copy[0] == CLOSED:
            del copies[str(record.tenant_id)]
    for tenant_id in sorted(copies):
        what = f"the guard accepts the tenant {tenant_id}, which the catalog places elsewhere"
        yield error(what, f"DELETE FROM trially.placement WHERE tenant_id = '{tenant_id}';")


def no_old_canary_remains(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for canaries of killed runs of `flask tenants prove`, which never last a day."""
    schemas = set(database.schemas_with("canary")) - {database.expected.tier.blank_schema}
    old = "count(*) FILTER (WHERE planted_at < now() - interval '1 day')"
    for schema, count in database.of_each(schemas, "canary", old):
        if count:
            what = f"{count} canaries in {schema} are older than a day"
            yield warning(what, "Run `flask tenants prove` to delete them.")


def _describe(state: tuple[int, bool] | None) -> str:
    if state is None:
        return "no epoch"
    epoch, is_suspended = state
    return f"epoch {epoch}" + (", suspended" if is_suspended else "")


CONSISTENCY_CHECKS: tuple[Check[ExaminedDatabase], ...] = (
    schemas_match_the_catalog,
    schemas_are_at_the_head_revision,
    recorded_revisions_are_true,
    guard_placements_match_the_catalog,
    no_old_canary_remains,
)
