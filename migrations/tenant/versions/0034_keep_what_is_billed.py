"""Keep what is billed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "daily_usage",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("meter", sa.String(length=40), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("included", sa.BigInteger(), nullable=True),
        sa.Column("plan", sa.String(length=40), nullable=False),
        sa.Column("quality", sa.String(length=10), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unit_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_daily_usage")),
        sa.UniqueConstraint(
            "tenant_id", "meter", "day", name=op.f("uq_daily_usage_tenant_id_meter_day")
        ),
    )
    op.execute(
        f"CREATE POLICY tenant_rows ON daily_usage TO PUBLIC USING ({_TENANT})"
        f" WITH CHECK ({_TENANT})"
    )


def downgrade() -> None:
    op.drop_table("daily_usage")
