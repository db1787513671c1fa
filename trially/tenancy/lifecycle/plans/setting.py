"""What `flask tenants set` does with a tenant's plan, and what it says about it."""

import datetime as dt
from typing import Any

from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_tenant
from trially.tenancy.lifecycle.moving.reporting import MoveLine
from trially.tenancy.lifecycle.plans.assigning import Allowed, TenantChange, change_tenant
from trially.tenancy.lifecycle.plans.options import in_utc
from trially.terminal import Loss


def change_of(
    *,
    plan: str | None = None,
    limits: tuple[tuple[Any, int | None], ...] = (),
    features: tuple[tuple[Any, bool], ...] = (),
    removed: tuple[str, ...] = (),
    reason: str | None = None,
    until: dt.datetime | None = None,
    **_: Any,
) -> TenantChange:
    """Return the change that the options of `tenant_plan_options` ask for."""
    return TenantChange(plan, dict(limits), dict(features), removed, reason, in_utc(until))


def loss_of_setting(slug: str, *, dry_run: bool = False, **options: Any) -> Loss | None:
    """Return what a tenant loses by a change of its plan, if it loses anything."""
    change = change_of(**options)
    if dry_run or not change:
        return None
    allowed = change_tenant(slug, change, is_dry_run=True)
    lost = _losses(allowed)
    if not lost:
        return None
    return Loss(" ".join(lost), f"Change what {allowed.tenant.slug} may have?")


def set_plan(
    slug: str, change: TenantChange, *, is_dry_run: bool, moves: bool
) -> tuple[dict[str, Any], list[str]]:
    """Change what a tenant may have, and return what to print: as an item, and as sentences.

    With `moves`, the tenant moves to a tier that its plan allows, if its own is not allowed.
    """
    allowed = change_tenant(slug, change, is_dry_run=is_dry_run)
    has_moved = moves and not is_dry_run and allowed.move_to is not None
    if has_moved:
        with MoveLine() as line:
            move_tenant(slug, allowed.move_to, None, MoveOptions())
            line.end()
    return _item(allowed, has_moved=has_moved), _sentences(
        allowed, is_dry_run=is_dry_run, has_moved=has_moved
    )


def _item(allowed: Allowed, *, has_moved: bool) -> dict[str, Any]:
    use = allowed.use or {}
    return {
        "plan": allowed.after.name,
        "former_plan": allowed.before.name,
        "features": sorted(allowed.after.features),
        "limits": {
            str(limit): {"most": most, "used": use.get(limit)}
            for limit, most in allowed.after.limits.items()
        },
        "exceeded": sorted(allowed.exceeded),
        "lost_features": sorted(allowed.lost),
        "move_to": allowed.move_to,
        "moved": has_moved,
    }


def _sentences(allowed: Allowed, *, is_dry_run: bool, has_moved: bool) -> list[str]:
    slug, name = allowed.tenant.slug, allowed.after.name
    has = "would have" if is_dry_run else "has"
    sentences = [f"{slug} {has} the plan {name}, in every process within 5 seconds."]
    if is_dry_run:
        sentences = ["Nothing was changed.", f"{slug} would have the plan {name}."]
    sentences += _losses(allowed)
    if allowed.use is None:
        sentences.append("Its database does not answer, so what it uses is not known.")
    if has_moved:
        sentences.append(f"It has moved to the tier {allowed.move_to}.")
    elif allowed.move_to is not None:
        sentences.append(
            f"The plan does not allow its tier {get_tenant(slug).placement.tier}. It is served"
            f" there until it moves: `flask tenants move {slug} --to-tier {allowed.move_to}`, or"
            " this command with --move."
        )
    return sentences


def _losses(allowed: Allowed) -> list[str]:
    """Return as sentences what a tenant loses."""
    slug, sentences = allowed.tenant.slug, []
    if allowed.lost:
        sentences.append(f"{slug} loses the features {', '.join(sorted(allowed.lost))}.")
    if allowed.exceeded:
        listed = ", ".join(
            f"{limit} {used:,} of {most:,}" for limit, (used, most) in allowed.exceeded.items()
        )
        sentences.append(
            f"{slug} uses more than its limits: {listed}. Nothing is deleted, and nothing can be"
            " added until it uses less."
        )
    return sentences
