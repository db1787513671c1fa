"""What the catalog holds of a tenant: which tables lose their rows, and which keep some."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    String,
    Table,
    cast,
    delete,
    false,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trially.database.model import CatalogModel
from trially.tenancy.catalog import Operation, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.erasing.erased_tenant import ErasedTenant, digest_of_slug
from trially.tenancy.erasing.model import ErasedSlug
from trially.tenancy.erasing.stores import Found
from trially.tenancy.tiers import TIERS

KEPT: Mapping[str, str] = {
    "erasure": "The order and this certificate: who ordered the erasure, when, and what was done.",
    "erased_slug": "Digests of the slugs, so that no other tenant gets one of them.",
    "operator_action": (
        "The log of operators' actions is sealed, and kept for the years that the law asks for"
        " (45 CFR 164.316(b)(2)). It holds no patient data."
    ),
    "operation": "The erasure itself, without names.",
    "daily_usage_copy": (
        "What is billed for the days before the erasure: numbers of each day, without names."
    ),
    "archive": "Where the archives are that nobody can read any more, so that they can be removed.",
}
"""Tables with a tenant's id that keep rows, and why. All others lose them."""

WITHOUT_TENANTS: Mapping[str, str] = {
    "server": "servers",
    "server_password": "passwords of servers",
    "secret_key": "fingerprints of the secret key",
    "plan": "plans",
    "usage_start": "since when usage is counted",
    "shared_database": "databases of many tenants",
    "migration_run": "runs of migrations",
    "platform_operator": "who may use the platform API",
    "organisation": "organisations",
    "organisation_person": "who may see the sums of organisations",
}
"""Tables of the catalog that no row of which is about one tenant, and what they hold."""

WITHOUT_TENANT_ID: Mapping[str, str] = {
    "place_migration": "It names a tenant by the database and the schema.",
    "platform_task_cancellation": "It is deleted with its task.",
}
"""Tables that are about tenants and have no `tenant_id`. `_others` erases them."""


def tables_of_tenants() -> Sequence[Table]:
    """Return the tables of the catalog with a tenant's id, those that others depend on last."""
    return [
        table for table in reversed(CatalogModel.metadata.sorted_tables) if "tenant_id" in table.c
    ]


def look_into_catalog(tenant: ErasedTenant) -> Iterator[Found]:
    """Count the catalog's rows about a tenant, and those that name it in any column."""
    with catalog_transaction() as session:
        for table in [*tables_of_tenants(), _table(Tenant)]:
            yield _count(session, table, _is_about(table, tenant))
        for table, condition in _others(tenant):
            yield _count(session, table, condition)
        searched = [each for each in CatalogModel.metadata.sorted_tables if each.name not in KEPT]
        naming = [
            select(func.count()).select_from(each).where(_names(each, tenant)).scalar_subquery()
            for each in searched
        ]
        yield Found(
            "catalog, the tenant's id in any column and its slugs in any table",
            "rows",
            sum(session.execute(select(*naming)).one()),
            details={"tables": [each.name for each in searched]},
        )


def remove_from_catalog(session: Session, tenant: ErasedTenant, operation_id: object) -> None:
    """Delete the catalog's rows about a tenant, and keep digests of its slugs."""
    # The trigger of the operators' log then notes which rows went, and no values.
    session.execute(text("SELECT set_config('trially.erasing', 'on', true)"))
    session.execute(
        insert(ErasedSlug).on_conflict_do_nothing(),
        [{"digest": digest_of_slug(each), "tenant_id": tenant.id} for each in tenant.slugs],
    )
    for table, condition in _others(tenant):
        session.execute(delete(table).where(condition))
    for table in tables_of_tenants():
        if table.name not in KEPT:
            session.execute(delete(table).where(_is_about(table, tenant)))
    archive = CatalogModel.metadata.tables["archive"]
    session.execute(update(archive).where(_is_about(archive, tenant)).values(tenant_slug=ERASED))
    session.execute(
        delete(Operation).where(Operation.tenant_id == tenant.id, Operation.id != operation_id)
    )
    session.execute(delete(Tenant).where(Tenant.id == tenant.id))


def reduce_operation(session: Session, operation: Operation) -> None:
    """Take the names out of the erasure's own operation."""
    session.execute(
        update(Operation)
        .where(Operation.id == operation.id)
        .values(tenant_slug=ERASED, parameters={"erasure": operation.parameters["erasure"]})
    )


def forget_values() -> None:
    """Let VACUUM remove dead rows of the catalog, keys among them, and renew the statistics."""
    with control_engine().connect() as catalog:
        commits = catalog.execution_options(isolation_level="AUTOCOMMIT")
        for table in [*tables_of_tenants(), _table(Tenant)]:
            if table.name not in KEPT:
                commits.exec_driver_sql(f"VACUUM (ANALYZE) {table.name}")


ERASED = "(erased)"
"""In place of the slug of an erased tenant. No slug has this form."""


def _count(session: Session, table: Table, condition: ColumnElement[bool]) -> Found:
    number = session.scalar(select(func.count()).select_from(table).where(condition))
    return Found(f"catalog, table {table.name}", "rows", number or 0, KEPT.get(table.name))


def _is_about(table: Table, tenant: ErasedTenant) -> ColumnElement[bool]:
    column = table.c.id if table.name == Tenant.__tablename__ else table.c.tenant_id
    return column == tenant.id


def _others(tenant: ErasedTenant) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Yield the rows about a tenant that have no `tenant_id`."""
    table = CatalogModel.metadata.tables["place_migration"]
    own = [
        (table.c.server == each.server)
        & (table.c.database == each.database)
        & (table.c.schema == each.schema)
        for each in tenant.places
        if not TIERS[Tier(each.tier)].shares_tables
    ]
    yield table, or_(false(), *own)
    # A task about many tenants has their slugs in its parameters, or in what came of it.
    task = CatalogModel.metadata.tables["platform_task"]
    row = cast(func.to_jsonb(literal_column(task.name)), String)
    yield task, or_(false(), *(row.contains(f'"{slug}"', autoescape=True) for slug in tenant.slugs))


def _names(table: Table, tenant: ErasedTenant) -> ColumnElement[bool]:
    """Return the condition that a row has the tenant's id in any column, or one of its slugs."""
    row = cast(func.to_jsonb(literal_column(table.name)), String)
    slugs = [c.in_(tenant.slugs) for c in table.c if c.name == "slug" or c.name.endswith("_slug")]
    return or_(row.contains(str(tenant.id)), *slugs)


def _table(model: type[CatalogModel]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101
    return table
