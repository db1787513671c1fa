"""Keep tasks of the platform."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_operator",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        _moment("created_at", has_default=True),
        _moment("updated_at", has_default=True),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_platform_operator")),
    )
    op.execute(
        "CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON platform_operator"
        " FOR EACH ROW EXECUTE FUNCTION note_change()"
    )
    op.create_table(
        "platform_task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_slug", sa.String(length=40), nullable=True),
        _json("parameters", default="{}"),
        sa.Column("request", sa.String(length=300), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _moment("leased_until"),
        _json("progress"),
        _json("result"),
        _json("error"),
        _moment("created_at", has_default=True),
        _moment("started_at"),
        _moment("ended_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_task")),
    )
    op.create_index("ix_platform_task_tenant_id", "platform_task", ["tenant_id"])
    op.create_index(
        "uq_platform_task_idempotency_key",
        "platform_task",
        ["issuer", "subject", "request", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "ix_platform_task_unfinished",
        "platform_task",
        ["id"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "platform_task_cancellation",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        _moment("asked_at", has_default=True),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["platform_task.id"],
            name=op.f("fk_platform_task_cancellation_task_id_platform_task"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_platform_task_cancellation")),
    )
    # Without a default at first, so that the rows that are there are not written again.
    op.add_column("operation", sa.Column("task_id", sa.Uuid(), nullable=True))
    op.alter_column(
        "operation",
        "task_id",
        server_default=sa.text("nullif(current_setting('trially.task', true), '')::uuid"),
    )
    op.create_index("ix_operation_task_id", "operation", ["task_id"])


def downgrade() -> None:
    op.drop_index("ix_operation_task_id", table_name="operation")
    op.drop_column("operation", "task_id")
    op.drop_table("platform_task_cancellation")
    op.drop_table("platform_task")
    op.drop_table("platform_operator")


def _moment(name: str, *, has_default: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if has_default else None
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=default, nullable=not has_default
    )


def _json(name: str, default: str | None = None) -> sa.Column[object]:
    return sa.Column(
        name,
        postgresql.JSONB(astext_type=sa.Text()),
        server_default=None if default is None else sa.text(f"'{default}'::jsonb"),
        nullable=default is None,
    )
