"""Keep what tenants use."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Request handling may call this function, and may not write the table. A process sends how much it
# has counted in an hour since it started. So what is sent twice, or late, does no harm.
_NOTE = """
CREATE FUNCTION note_usage(noted jsonb) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = catalog, pg_temp AS $$
    INSERT INTO usage_sample AS known
        (tenant_id, hour, process_id, requests, database_us, egress_bytes)
    SELECT tenant.id, hour, process_id, requests, database_us, egress_bytes
    FROM jsonb_to_recordset(noted) AS sent (tenant_id uuid, hour timestamptz, process_id uuid,
        requests bigint, database_us bigint, egress_bytes bigint)
    JOIN tenant ON tenant.id = sent.tenant_id
    ON CONFLICT (tenant_id, hour, process_id) DO UPDATE SET
        requests = greatest(known.requests, excluded.requests),
        database_us = greatest(known.database_us, excluded.database_us),
        egress_bytes = greatest(known.egress_bytes, excluded.egress_bytes)
$$
"""


def upgrade() -> None:
    op.create_table(
        "daily_usage_copy",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("meter", sa.String(length=40), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("included", sa.BigInteger(), nullable=True),
        sa.Column("plan", sa.String(length=40), nullable=False),
        sa.Column("quality", sa.String(length=10), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "meter", name=op.f("pk_daily_usage_copy")),
    )
    op.create_index("ix_daily_usage_copy_day", "daily_usage_copy", ["day"])
    op.create_table(
        "usage_sample",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("database_us", sa.BigInteger(), nullable=False),
        sa.Column("egress_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenant.id"],
            name=op.f("fk_usage_sample_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "hour", "process_id", name=op.f("pk_usage_sample")),
    )
    op.create_table(
        "usage_start",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_usage_start_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_start")),
    )
    op.execute("INSERT INTO usage_start (id) VALUES (1)")
    op.execute(_NOTE)


def downgrade() -> None:
    op.execute("DROP FUNCTION note_usage(jsonb)")
    op.drop_table("usage_start")
    op.drop_table("usage_sample")
    op.drop_index("ix_daily_usage_copy_day", table_name="daily_usage_copy")
    op.drop_table("daily_usage_copy")
