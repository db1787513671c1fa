"""Routes of tenants."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from trially.auth.platform.permissions import PlatformPermission, requires_platform
from trially.http.codes import Code
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    matches_versions,
    may_conflict,
    queries,
    returns_later,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.http.problems import Conflict, validation_failed
from trially.platform.asking import Item, ask
from trially.platform.listing import page_of, refuse_other_version
from trially.platform.move_options import MoveOptionsSchema
from trially.platform.operations.schema import OperationSchema
from trially.platform.paths import OPERATIONS
from trially.platform.routes import bp
from trially.platform.tenants.reading import (
    find_tenant,
    is_taken,
    list_page,
    names_of,
    regions,
    tiers_of,
)
from trially.platform.tenants.schema import (
    DeleteRequestSchema,
    ListedTenantSchema,
    MoveSchema,
    NewTenantSchema,
    TenantChangeSchema,
    TenantDetailSchema,
    TenantQuerySchema,
)
from trially.request_cycle.platform import reading
from trially.tenancy.catalog import Server
from trially.tenancy.entitlements.model import DEFAULT_PLAN, Plan
from trially.tenancy.plans.tiers import allows


@bp.get("/tenants")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(TenantQuerySchema())
@returns_page(ListedTenantSchema())
def list_tenants(query: dict[str, Any]) -> Page:
    """List tenants in the order of their slugs.

    Tenants that are only kept ready for new customers are not listed.
    """
    return page_of(query, "slug", lambda after, limit: list_page(query, after, limit))


@bp.post("/tenants")
@requires_platform(PlatformPermission.TENANTS_CREATE)
@may_conflict
@accepts(NewTenantSchema())
@returns_later(OperationSchema(), OPERATIONS)
def create_tenant(body: Item) -> Item:
    """Create a tenant with its storage.

    Without a tier it is that of the plan, and without a server the emptiest one of the region. If
    the operation fails, everything that it has created is removed.
    """
    if reading(lambda: is_taken(body["slug"])):
        raise Conflict(
            "The slug is already taken.",
            code=Code.ALREADY_EXISTS,
            errors=[{"pointer": "/slug", "detail": "Is or was the slug of a tenant."}],
        )
    _refuse_unknown(body)
    return ask("tenant.create", body, {"slug": body["slug"]})


@bp.get("/tenants/<slug>")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns_version(TenantDetailSchema())
def show_tenant(slug: str) -> Item:
    """Show a tenant and what it may have.

    A former slug and the tenant's id find it too. `limits` and `features` are those of the plan
    with the tenant's exceptions. What it uses is in `/usage`.
    """
    return find_tenant(slug)


@bp.patch("/tenants/<slug>")
@requires_platform(PlatformPermission.TENANTS_CHANGE)
@matches_versions
@accepts_merge_patch(TenantChangeSchema())
@returns_later(OperationSchema(), OPERATIONS)
def change_tenant(slug: str, versions: Versions | None, body: Item) -> Item:
    """Change the name, the plan or the exceptions of a tenant.

    In `overrides`, a name with null is that of the plan again. Every process knows the change
    within 5 seconds after the operation is done. Nothing is deleted if the tenant then uses more
    than it may. `result` of the operation says which limits it exceeds, which features it loses,
    and to which tier the plan obliges it to move. The version is compared now, and once more when
    the operation begins.
    """
    tenant = find_tenant(slug)
    refuse_other_version(tenant, versions)
    _refuse_unknown(body)
    seen = None if versions is None else sorted(versions)
    return ask("tenant.change", {"change": body, "versions": seen}, tenant)


@bp.post("/tenants/<slug>/suspend")
@requires_platform(PlatformPermission.TENANTS_CHANGE)
@returns_later(OperationSchema(), OPERATIONS)
def suspend_tenant(slug: str) -> Item:
    """Suspend a tenant: its members and machine clients are shut out, and its data stay.

    The tenant's database refuses them as soon as the operation is done. Suspending a suspended
    tenant changes nothing.
    """
    return ask("tenant.suspend", {}, find_tenant(slug))


@bp.post("/tenants/<slug>/resume")
@requires_platform(PlatformPermission.TENANTS_CHANGE)
@returns_later(OperationSchema(), OPERATIONS)
def resume_tenant(slug: str) -> Item:
    """Serve a suspended tenant again.

    The operation fails with `erasure_ordered` while the tenant's erasure is ordered.
    """
    return ask("tenant.resume", {}, find_tenant(slug))


@bp.post("/tenants/<slug>/move")
@requires_platform(PlatformPermission.TENANTS_MOVE)
@accepts(MoveSchema())
@returns_later(OperationSchema(), OPERATIONS)
def move_tenant(slug: str, body: Item) -> Item:
    """Move a tenant to another tier or server while it works.

    Without a tier or a server it is the present one. The rows are copied and compared while the
    tenant is served. Then its requests wait for a moment, and go on at the new placement. If
    anything fails before that, the tenant stays where it is. `result` says how long they waited.
    """
    tenant = find_tenant(slug)
    _refuse_unknown(body, tenant["plan"])
    return ask("tenant.move", body, tenant)


@bp.post("/tenants/<slug>/move-back")
@requires_platform(PlatformPermission.TENANTS_MOVE)
@accepts(MoveOptionsSchema())
@returns_later(OperationSchema(), OPERATIONS)
def move_tenant_back(slug: str, body: Item) -> Item:
    """Move a tenant back to the placement that it left last.

    What was written since is copied. The operation fails with `nothing_kept` if no placement is
    kept: `/placements` says until when one is.
    """
    return ask("tenant.move_back", body, find_tenant(slug))


@bp.post("/tenants/<slug>/delete-request")
@requires_platform(PlatformPermission.TENANTS_ERASE)
@accepts(DeleteRequestSchema())
@returns_later(OperationSchema(), OPERATIONS)
def request_deletion(slug: str, body: Item) -> Item:
    """Order that a tenant is erased after a period.

    It is suspended at once, and can be brought back until the period ends: `erase_after` of the
    tenant says when. A legal hold forbids it. An erasure without a period is a command only.
    """
    return ask("tenant.order_erasure", body, find_tenant(slug))


@bp.delete("/tenants/<slug>/delete-request")
@requires_platform(PlatformPermission.TENANTS_ERASE)
@returns_later(OperationSchema(), OPERATIONS)
def withdraw_deletion(slug: str) -> Item:
    """Bring back a tenant whose erasure is ordered.

    The operation fails if none is ordered, or once something of the tenant was removed.
    """
    return ask("tenant.cancel_erasure", {}, find_tenant(slug))


def _refuse_unknown(body: Item, plan: str | None = None) -> None:
    """Answer 422 if a body names what does not exist, or a tier that its plan does not allow.

    `plan` is that of the tenant; the one of the body counts first.
    """
    known: dict[str, Callable[[], Collection[str]]] = {
        "plan": partial(names_of, Plan),
        "server": partial(names_of, Server),
        "region": regions,
    }
    errors = [
        {"pointer": f"/{name}", "detail": f"There is no {name} {body[name]!r}."}
        for name, read in known.items()
        if body.get(name) is not None and body[name] not in reading(read)
    ]
    tier = body.get("tier")
    if tier is not None and not errors:
        plan = body.get("plan") or plan or DEFAULT_PLAN
        allowed = reading(partial(tiers_of, plan))
        if not allows(allowed, tier):
            detail = f"The plan {plan} does not allow it, but {', '.join(allowed)}."
            errors.append({"pointer": "/tier", "detail": detail})
    if errors:
        raise validation_failed(errors)
