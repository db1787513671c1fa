"""Routes of plans."""

from collections.abc import Sequence
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
from trially.platform.listing import not_found, page_of, refuse_other_version, with_version
from trially.platform.operations.schema import OperationSchema
from trially.platform.paths import OPERATIONS
from trially.platform.plans.schema import (
    NewPlanSchema,
    PlanChangeSchema,
    PlanQuerySchema,
    PlanSchema,
)
from trially.platform.routes import bp
from trially.request_cycle.platform import reading
from trially.tenancy.lifecycle.plans.managing import list_plans, show_plan
from trially.tenancy.plans.reading import UnknownPlanError


@bp.get("/plans")
@requires_platform(PlatformPermission.PLATFORM_READ)
@queries(PlanQuerySchema())
@returns_page(PlanSchema())
def list_platform_plans(query: dict[str, Any]) -> Page:
    """List plans in the order of their names.

    `tenants` of each says how many have it.
    """

    def read(after: str | None, limit: int) -> Sequence[Item]:
        found = [each for each in list_plans() if after is None or each["name"] > after]
        return [with_version(dict(each)) for each in sorted(found, key=_name)[:limit]]

    return page_of(query, "name", read)


@bp.post("/plans")
@requires_platform(PlatformPermission.PLANS_WRITE)
@may_conflict
@accepts(NewPlanSchema())
@returns_later(OperationSchema(), OPERATIONS)
def create_platform_plan(body: Item) -> Item:
    """Create a plan.

    Without `like` it begins without limits and without features.
    """
    names = {each["name"] for each in reading(list_plans)}
    if body["name"] in names:
        raise Conflict("There is a plan of this name.", code=Code.ALREADY_EXISTS)
    if body.get("like") is not None and body["like"] not in names:
        raise validation_failed([{"pointer": "/like", "detail": "There is no such plan."}])
    return ask("plan.create", body)


@bp.get("/plans/<plan>")
@requires_platform(PlatformPermission.PLATFORM_READ)
@returns_version(PlanSchema())
def show_platform_plan(plan: str) -> Item:
    """Show a plan: its tiers, features and limits.

    A limit that is null is unlimited.
    """
    return _find(plan)


@bp.patch("/plans/<plan>")
@requires_platform(PlatformPermission.PLANS_WRITE)
@matches_versions
@accepts_merge_patch(PlanChangeSchema())
@returns_later(OperationSchema(), OPERATIONS)
def change_platform_plan(plan: str, versions: Versions | None, body: Item) -> Item:
    """Change a plan for all its tenants.

    Every process knows the change within 5 seconds after the operation is done. Nothing is deleted
    if tenants then use more than they may.
    """
    refuse_other_version(_find(plan), versions)
    seen = None if versions is None else sorted(versions)
    return ask("plan.change", {"plan": plan, "change": body, "versions": seen})


@bp.delete("/plans/<plan>")
@requires_platform(PlatformPermission.PLANS_WRITE)
@matches_versions
@may_conflict
@returns_later(OperationSchema(), OPERATIONS)
def delete_platform_plan(plan: str, versions: Versions | None) -> Item:
    """Delete a plan that no tenant has.

    The answer is 409 while tenants have it.
    """
    found = _find(plan)
    refuse_other_version(found, versions)
    if found["tenants"]:
        raise Conflict("Tenants have this plan.", code=Code.STILL_REFERENCED)
    return ask("plan.delete", {"plan": plan})


def _find(name: str) -> Item:
    try:
        return reading(lambda: with_version(show_plan(name)))
    except UnknownPlanError:
        raise not_found(f"plan {name!r}") from None


def _name(item: Any) -> str:
    return str(item["name"])
