"""Tables of alerts."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from trially.database.changes import unaudited
from trially.database.classes import REMOVED, Copied, Held, classify, identifier
from trially.database.model import TenantModel, Versioned
from trially.database.protection import OF_MEMBERS, protect


class AuditAlertRule(Versioned, TenantModel):
    """What a tenant has changed of a rule. Null stands for the default in `rules.RULES`."""

    __tablename__ = "audit_alert_rule"

    name: Mapped[str] = mapped_column(String(40))
    is_enabled: Mapped[bool | None]
    threshold: Mapped[int | None] = mapped_column(Integer)
    window_minutes: Mapped[int | None] = mapped_column(Integer)
    opens_at: Mapped[dt.time | None]
    closes_at: Mapped[dt.time | None]

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)


class AuditAlert(Versioned, TenantModel):
    """What a rule found: who did how much of something, and when. It names no patient."""

    __tablename__ = "audit_alert"

    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    rule: Mapped[str] = mapped_column(String(40))
    member_id: Mapped[UUID | None]
    operator: Mapped[str | None] = mapped_column(String(255))
    since: Mapped[dt.datetime]
    until: Mapped[dt.datetime]
    """The time of the last record that was counted."""
    count: Mapped[int] = mapped_column(Integer)
    threshold: Mapped[int] = mapped_column(Integer)
    record_id: Mapped[UUID]
    """The last record that was counted."""
    is_acknowledged: Mapped[bool] = mapped_column(server_default=text("false"))
    acknowledged_at: Mapped[dt.datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(255))
    note: Mapped[str | None] = mapped_column(String(1000))

    __table_args__ = (Index("ix_audit_alert_tenant_id_rule_until", "tenant_id", "rule", "until"),)


class AuditAlertPosition(TenantModel):
    """The last audit record that the rules have seen. A tenant has one row."""

    __tablename__ = "audit_alert_position"

    epoch: Mapped[int] = mapped_column(Integer, server_default="0")
    transaction_id: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = ({"info": unaudited("It only says how far the rules have read.")},)


classify(
    AuditAlertRule,
    {
        Held.TECHNICAL: "name is_enabled opens_at closes_at",
        Held.NUMBER: "threshold window_minutes",
    },
    Copied.UNMASKED,
)
classify(
    AuditAlert,
    {
        Held.TECHNICAL: "rule is_acknowledged",
        Held.ID: "member_id record_id",
        identifier("member"): "operator acknowledged_by",
        Held.MOMENT: "since until acknowledged_at",
        Held.NUMBER: "count threshold",
        REMOVED: "note",
    },
    Copied.NEVER,
)
protect(AuditAlert, {}, OF_MEMBERS)
classify(AuditAlertPosition, {Held.NUMBER: "epoch transaction_id"}, Copied.NEVER)
