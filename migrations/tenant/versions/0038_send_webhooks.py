"""Send webhooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"
_TABLES = ("webhook_endpoint", "webhook_state", "webhook_event", "webhook_delivery")


def _time(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=None if default is None else sa.text(default),
        nullable=nullable,
    )


def _json(name: str) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=False)


def _ids() -> list[sa.Column]:
    return [sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id")]


def upgrade() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=True),
        _json("event_types"),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("disabled_reason", sa.String(length=40), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("former_key_version", sa.Integer(), nullable=True),
        _time("former_until", nullable=True),
        *_ids(),
        _time("created_at", "now()"),
        _time("updated_at", "now()"),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_endpoint")),
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON webhook_endpoint"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    op.create_table(
        "webhook_state",
        _time("busy_until", "'-infinity'"),
        sa.Column("lease_id", sa.Uuid(), nullable=True),
        _time("retry_at", "'-infinity'"),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        _time("failing_since", nullable=True),
        *_ids(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["webhook_endpoint.tenant_id", "webhook_endpoint.id"],
            name=op.f("fk_webhook_state_tenant_id_id_webhook_endpoint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_state")),
    )
    op.create_table(
        "webhook_event",
        sa.Column("type", sa.String(length=40), nullable=False),
        _time("happened_at", "now()"),
        _json("data"),
        *_ids(),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_event")),
    )
    op.create_index(
        "ix_webhook_event_tenant_id_happened_at", "webhook_event", ["tenant_id", "happened_at"]
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _time("due_at", "now()"),
        _time("created_at", "now()"),
        _time("attempted_at", nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=40), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        *_ids(),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_delivery_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoint.tenant_id", "webhook_endpoint.id"],
            name=op.f("fk_webhook_delivery_tenant_id_endpoint_id_webhook_endpoint"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "event_id"],
            ["webhook_event.tenant_id", "webhook_event.id"],
            name=op.f("fk_webhook_delivery_tenant_id_event_id_webhook_event"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_delivery")),
    )
    op.create_index(
        "ix_webhook_delivery_tenant_id_endpoint_id",
        "webhook_delivery",
        ["tenant_id", "endpoint_id", "id"],
    )
    op.create_index(
        "ix_webhook_delivery_tenant_id_event_id", "webhook_delivery", ["tenant_id", "event_id"]
    )
    op.create_index(
        "ix_webhook_delivery_pending",
        "webhook_delivery",
        ["tenant_id", "endpoint_id", "due_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    for table in _TABLES:
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC USING ({_TENANT})"
            f" WITH CHECK ({_TENANT})"
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
