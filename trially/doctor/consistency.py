"""Checks that a tenants' database agrees with the catalog and with this version of the app."""

from collections.abc import Iterator

from psycopg2 import sql

from trially.doctor.databases import REVISION_TABLE, ExaminedDatabase
from trially.doctor.findings import Check, Problem, error, warning
from trially.tenancy.catalog import TenantStatus
from trially.tenancy.schema.guard import GUARD_SCHEMA
from trially.tenancy.schema.lineages import TENANT_LINEAGE, head_of


def schemas_match_the_catalog(database: ExaminedDatabase) -> Iterator[Problem]:
    """Compare the schemas of the catalog's placements with the existing schemas, both ways."""
    existing = {
        name
        for (name,) in database.rows(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
            " AND nspname <> 'information_schema'"
        )
    }
    provisioned = {
        tenant.placement.schema
        for tenant in database.expected.tenants
        if tenant.status != TenantStatus.PROVISIONING
    }
    for schema in sorted(provisioned - existing):
        yield error(f"the schema {schema} is missing", "Restore its tenant from a backup.")
    for schema in sorted(existing - database.expected.schemas - {GUARD_SCHEMA}):
        what = f"no tenant is placed in the schema {schema}"
        yield warning(what, "Check its contents, then drop it.")


def schemas_are_at_the_head_revision(database: ExaminedDatabase) -> Iterator[Problem]:
    """Check that each schema is at the revision that this version of the app needs."""
    head = head_of(TENANT_LINEAGE)
    migrated = {r.schema for r in database.relations if r.name == REVISION_TABLE}
    for schema in sorted(migrated & database.expected.schemas):
        table = sql.Identifier(schema, REVISION_TABLE).as_string(database.raw)
        revisions = [revision for (revision,) in database.rows(f"SELECT version_num FROM {table}")]
        if revisions != [head]:
            what = f"{schema} is at {', '.join(revisions) or 'no revision'}, not at {head}"
            yield error(what, "Run `flask db upgrade`.")


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
        if tenant.status != TenantStatus.PROVISIONING and copy != expected:
            what = (
                f"the guard has {tenant.slug} at {_describe(copy)},"
                f" the catalog at {_describe(expected)}"
            )
            remedy = f"Run `flask tenants suspend {tenant.slug}`, then"
            yield error(what, f"{remedy} `flask tenants resume {tenant.slug}`.")
    for tenant_id in sorted(copies):
        what = f"the guard accepts the tenant {tenant_id}, which the catalog places elsewhere"
        yield error(what, f"DELETE FROM trially.placement WHERE tenant_id = '{tenant_id}';")


def no_old_canary_remains(database: ExaminedDatabase) -> Iterator[Problem]:
    """Look for canaries of killed runs of `flask tenants prove`, which never last a day."""
    relations = {(r.schema, r.name) for r in database.relations}
    for schema in sorted(database.expected.schemas):
        if (schema, "canary") in relations and schema != database.expected.tier.blank_schema:
            table = sql.Identifier(schema, "canary").as_string(database.raw)
            [(count,)] = database.rows(
                f"SELECT count(*) FROM {table} WHERE planted_at < now() - interval '1 day'"
            )
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
    guard_placements_match_the_catalog,
    no_old_canary_remains,
)
