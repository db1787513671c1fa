"""Routes of migrations."""

from typing import Any
from uuid import UUID

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.contract import accepts, queries, returns, returns_later, returns_page
from trially.http.pages import Page
from trially.platform.asking import Item, ask
from trially.platform.listing import not_found, page_of
from trially.platform.migrations.reading import count_revisions, find_run, list_runs
from trially.platform.migrations.schema import (
    NewRunSchema,
    RevisionsSchema,
    RunDetailSchema,
    RunQuerySchema,
    RunSchema,
)
from trially.platform.operations.schema import OperationSchema
from trially.platform.paths import OPERATIONS
from trially.platform.routes import bp
from trially.request_cycle.platform import reading


@bp.get("/migrations")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(RunQuerySchema())
@returns_page(RunSchema())
def list_migration_runs(query: dict[str, Any]) -> Page:
    """List runs of migrations, newest first.

    The ledger keeps the last 100 runs of all operators.
    """
    return page_of(query, "id", list_runs)


@bp.post("/migrations")
@requires_platform(PlatformPermission.MIGRATIONS_RUN)
@accepts(NewRunSchema())
@returns_later(OperationSchema(), OPERATIONS)
def start_migration_run(body: Item) -> Item:
    """Migrate the tables of tenants to the revision that this version needs.

    Canaries come first, and a failure of theirs stops the run. A tenant that fails keeps its
    revision and stays in service, and the operation fails; the others are migrated.
    """
    return ask("tenants.migrate", body)


@bp.get("/migrations/<uuid:run_id>")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns(RunDetailSchema())
def show_migration_run(run_id: UUID) -> Item:
    """Show a run of migrations, and the places that it has not migrated.

    A place is a schema of a database, which several tenants may share.
    """
    run = reading(lambda: find_run(run_id))
    if run is None:
        raise not_found(f"run {run_id}")
    return run


@bp.get("/revisions")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns(RevisionsSchema())
def show_revisions() -> Item:
    """Show how many tenants are at the revision that this version needs.

    This version serves tenants at its own revision and at the one before. `/placements` has the
    revision of each tenant.
    """
    return reading(count_revisions)
