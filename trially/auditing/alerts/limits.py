"""The limits of each rule in the current tenant: the defaults, and what the tenant has changed."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from trially.auditing.alerts.model import AuditAlertRule
from trially.auditing.alerts.rules import RULES, Rule, RuleName
from trially.database.rows import Item, columns_named, fetch_items, insert_item, of_current_tenant
from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.problems import PreconditionFailed
from trially.resources.optimistic_locking import change_seen

CHANGEABLE = ("is_enabled", "threshold", "window_minutes", "opens_at", "closes_at")
_COLUMNS = columns_named(AuditAlertRule, ("id", "version", "name", *CHANGEABLE))


@dataclass(frozen=True)
class Limits:
    """A rule as a tenant uses it."""

    rule: Rule
    is_enabled: bool
    threshold: int
    window_minutes: int
    opens_at: dt.time | None
    closes_at: dt.time | None
    version: int = 0
    """Version of the tenant's changes; 0 if there are none."""


def read_limits() -> list[Limits]:
    """Return all rules, as the current tenant uses them."""
    changed = {row["name"]: row for row in _changes()}
    return [limits_of(rule, changed.get(rule.name)) for rule in RULES.values()]


def limits_of(rule: Rule, changes: Item | None) -> Limits:
    """Return a rule with a tenant's changes."""

    def value(name: str, default: Any) -> Any:
        changed = None if changes is None else changes[name]
        return default if changed is None else changed

    return Limits(
        rule,
        is_enabled=value("is_enabled", default=True),
        threshold=value("threshold", rule.threshold),
        window_minutes=value("window_minutes", rule.window_minutes),
        opens_at=value("opens_at", rule.opens_at),
        closes_at=value("closes_at", rule.closes_at),
        version=0 if changes is None else changes["version"],
    )


def find_changes(name: RuleName) -> Item | None:
    """Return the row with the current tenant's changes of a rule, or None."""
    return next((row for row in _changes() if row["name"] == name), None)


def change_limits(rule: Rule, versions: Versions | None, changes: Item) -> Limits:
    """Change a rule in the current tenant, and return it. None restores a default.

    Raises `PreconditionFailed` if the tenant's changes have another version.
    """
    former = find_changes(rule.name)
    if former is not None:
        change_seen(AuditAlertRule, former["id"], versions, changes, ("id",))
    elif versions is None or 0 in versions:
        insert_item(AuditAlertRule, {"name": rule.name, **changes}, ("id",))
    else:
        raise PreconditionFailed(
            "The rule has changed since that version. Read it again.", code=Code.VERSION_CONFLICT
        )
    return limits_of(rule, find_changes(rule.name))


def _changes() -> list[Item]:
    return fetch_items(select(*_COLUMNS).where(of_current_tenant(AuditAlertRule)))
