"""Routes of alerts and their rules."""

import datetime as dt
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auditing.alerts.limits import (
    Limits,
    change_limits,
    find_changes,
    limits_of,
    read_limits,
)
from trially.auditing.alerts.model import AuditAlert
from trially.auditing.alerts.rules import RULES, Rule, RuleName
from trially.auditing.alerts.schema import (
    AlertRuleSchema,
    AuditAlertQuerySchema,
    AuditAlertSchema,
)
from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.codes import Code
from trially.http.contract import (
    accepts_merge_patch,
    matches_versions,
    queries,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.http.problems import Forbidden, NotFound
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT

bp = Blueprint("alerts", __name__, url_prefix="/audit")

columns = table_of(AuditAlert).c

ALERTS = Resource(
    AuditAlert,
    AuditAlertSchema(),
    scope=WHOLE_TENANT,
    order={"id": "desc"},
    filters={
        "rule": equals(columns.rule),
        "is_acknowledged": equals(columns.is_acknowledged),
    },
)


@bp.get("/alerts")
@requires(Permission.AUDIT_READ)
@queries(AuditAlertQuerySchema())
@returns_page(AuditAlertSchema())
def list_audit_alerts(query: dict[str, Any]) -> Page:
    """List alerts, newest first.

    `flask audit alerts` finds them in the audit log. An alert that is not acknowledged grows while
    the same person goes on. It names no patient; `record_id` leads to the audit record.
    """
    return ALERTS.page(query)


@bp.get("/alerts/<uuid:audit_alert_id>")
@requires(Permission.AUDIT_READ)
@returns_version(AuditAlertSchema())
def show_audit_alert(audit_alert_id: UUID) -> Item:
    """Show an alert.

    The `ETag` is the alert's version, and `etag` repeats it in the body.
    """
    return ALERTS.get(audit_alert_id)


@bp.patch("/alerts/<uuid:audit_alert_id>")
@requires(Permission.ALERTS_ACKNOWLEDGE)
@matches_versions
@accepts_merge_patch(AuditAlertSchema(partial=True))
@returns_version(AuditAlertSchema())
def acknowledge_audit_alert(
    audit_alert_id: UUID, versions: Versions | None, body: dict[str, Any]
) -> Item:
    """Acknowledge an alert, or add a note to it.

    Nobody can acknowledge an alert about themselves. If the same person goes on after that, and
    exceeds the threshold once more, there is a new alert.
    """
    identity = current_identity()
    if ALERTS.get(audit_alert_id)["member_id"] == identity.member_id:
        raise Forbidden("This alert is about you. Ask another member.", code=Code.OWN_ALERT)
    is_done = body.get("is_acknowledged")
    derived: dict[str, Any] = {}
    if is_done is not None:
        derived = {
            "acknowledged_at": dt.datetime.now(dt.UTC) if is_done else None,
            "acknowledged_by": identity.subject if is_done else None,
        }
    return ALERTS.change(audit_alert_id, versions, body, derived)


@bp.get("/alert-rules")
@requires(Permission.AUDIT_READ)
@returns_page(AlertRuleSchema())
def list_alert_rules() -> Page:
    """List the rules of alerts, as this tenant uses them.

    Each rule shows its SQL statement, and its limits: the tenant's own, or the defaults.
    """
    return {
        "data": [describe(each) for each in read_limits()],
        "page": {"next": None, "has_more": False},
    }


@bp.get("/alert-rules/<string:alert_rule>")
@requires(Permission.AUDIT_READ)
@returns_version(AlertRuleSchema())
def show_alert_rule(alert_rule: str) -> Item:
    """Show a rule of alerts, as this tenant uses it.

    The `ETag` is the version of the tenant's changes, and `etag` repeats it in the body.
    """
    rule = _rule_named(alert_rule)
    return describe(limits_of(rule, find_changes(rule.name)))


@bp.patch("/alert-rules/<string:alert_rule>")
@requires(Permission.ALERT_RULES_WRITE)
@matches_versions
@accepts_merge_patch(AlertRuleSchema(partial=True))
@returns_version(AlertRuleSchema())
def change_alert_rule(alert_rule: str, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change the limits of a rule in this tenant, or switch the rule off.

    The body is a merge patch (RFC 7396): null restores the default. Only owners may do it, and
    `If-Match` must name the version that the caller has seen. The change is recorded, and holds for
    records that the rule has not seen yet.
    """
    return describe(change_limits(_rule_named(alert_rule), versions, body))


def describe(limits: Limits) -> Item:
    """Return a rule as the API shows it."""
    rule = limits.rule
    return {
        "name": rule.name,
        "description": rule.description,
        "query": rule.query,
        "is_enabled": limits.is_enabled,
        "threshold": limits.threshold,
        "window_minutes": limits.window_minutes,
        "opens_at": limits.opens_at,
        "closes_at": limits.closes_at,
        "version": limits.version,
    }


def _rule_named(name: str) -> Rule:
    try:
        return RULES[RuleName(name)]
    except ValueError:
        raise NotFound("There is no such alert rule.") from None
