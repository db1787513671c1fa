"""Alerts and their rules as clients read and change them."""

from marshmallow import Schema, fields, validate

from trially.auditing.alerts.model import AuditAlert
from trially.auditing.alerts.rules import RuleName
from trially.database.rows import table_of
from trially.http.fields import EXAMPLE, Choice, EntityTag, Flag, PageQuerySchema
from trially.resources.fields import text

columns = table_of(AuditAlert).c

LONGEST_WINDOW = 7 * 24 * 60
_TIME = {EXAMPLE: "06:00:00", "description": "In the tenant's time zone, like the end."}


class AuditAlertSchema(Schema):
    """What a rule found. It names no patient: the record in `record_id` does."""

    id = fields.UUID(dump_only=True)
    etag = EntityTag()
    created_at = fields.AwareDateTime(dump_only=True)
    rule = Choice(RuleName, dump_only=True)
    member_id = fields.UUID(dump_only=True, allow_none=True)
    operator = fields.String(
        dump_only=True, allow_none=True, metadata={EXAMPLE: "Support: operator-7"}
    )
    since = fields.AwareDateTime(dump_only=True)
    until = fields.AwareDateTime(dump_only=True)
    count = fields.Integer(dump_only=True)
    threshold = fields.Integer(dump_only=True)
    record_id = fields.UUID(
        dump_only=True, metadata={"description": "The last audit record that was counted."}
    )
    is_acknowledged = Flag()
    acknowledged_at = fields.AwareDateTime(dump_only=True, allow_none=True)
    acknowledged_by = fields.String(
        dump_only=True, allow_none=True, metadata={EXAMPLE: "user-4711"}
    )
    note = text(columns.note, allow_none=True, example="She prepared the visit of the monitor.")


class AuditAlertQuerySchema(PageQuerySchema):
    """Query parameters of a list of alerts."""

    rule = Choice(RuleName)
    is_acknowledged = fields.Boolean(truthy={"true"}, falsy={"false"})


class AlertRuleSchema(Schema):
    """A rule, as this tenant uses it."""

    name = Choice(RuleName, dump_only=True)
    etag = EntityTag()
    description = fields.String(
        dump_only=True, metadata={EXAMPLE: "One person saw many patients in a short time."}
    )
    query = fields.String(
        dump_only=True, metadata={EXAMPLE: "SELECT …", "description": "The rule's SQL statement."}
    )
    is_enabled = Flag(allow_none=True)
    threshold = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, 1_000_000),
        metadata={EXAMPLE: 500, "description": "There is an alert above it."},
    )
    window_minutes = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, LONGEST_WINDOW),
        metadata={EXAMPLE: 60, "description": "The time within which is counted."},
    )
    opens_at = fields.Time(allow_none=True, metadata=_TIME)
    closes_at = fields.Time(allow_none=True, metadata={EXAMPLE: "22:00:00"})
