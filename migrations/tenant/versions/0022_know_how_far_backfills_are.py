"""Know how far backfills are."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backfill_progress",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="running", nullable=False),
        sa.Column("position", sa.Uuid(), nullable=True),
        sa.Column("visited", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.String(length=1000), nullable=True),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_backfill_progress")),
        sa.UniqueConstraint("tenant_id", "name", name="uq_backfill_progress_tenant_id_name"),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON backfill_progress TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )


def downgrade() -> None:
    op.drop_table("backfill_progress")
