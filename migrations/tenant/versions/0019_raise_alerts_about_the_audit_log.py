"""Raise alerts about the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "audit_alert",
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("operator", sa.String(length=255), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("is_acknowledged", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=255), nullable=True),
        sa.Column("note", sa.String(length=1000), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_alert")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_alert TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON audit_alert"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    op.create_index(
        "ix_audit_alert_tenant_id_rule_until",
        "audit_alert",
        ["tenant_id", "rule", "until"],
        unique=False,
    )
    op.create_table(
        "audit_alert_position",
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_alert_position")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_alert_position TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_table(
        "audit_alert_rule",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=True),
        sa.Column("threshold", sa.Integer(), nullable=True),
        sa.Column("window_minutes", sa.Integer(), nullable=True),
        sa.Column("opens_at", sa.Time(), nullable=True),
        sa.Column("closes_at", sa.Time(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_alert_rule")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_audit_alert_rule_tenant_id_name")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_alert_rule TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON audit_alert_rule"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )


def downgrade() -> None:
    op.drop_table("audit_alert_rule")
    op.drop_table("audit_alert_position")
    op.drop_index("ix_audit_alert_tenant_id_rule_until", table_name="audit_alert")
    op.drop_table("audit_alert")
