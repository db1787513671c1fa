"""Wake the workers that run jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WAKE = """
CREATE FUNCTION wake_worker(woken uuid) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = catalog, pg_temp AS $$
    INSERT INTO job_wakeup AS known (tenant_id, due_at, generation)
    SELECT id, clock_timestamp(), 1 FROM tenant WHERE id = woken
    ON CONFLICT (tenant_id) DO UPDATE
    SET due_at = least(known.due_at, excluded.due_at), generation = known.generation + 1
$$
"""
"""Request handling may call this function, and may not write the table."""


def upgrade() -> None:
    op.create_table(
        "job_wakeup",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("generation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seen_generation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("running", sa.Integer(), server_default="0", nullable=False),
        sa.Column("oldest_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenant.id"],
            name=op.f("fk_job_wakeup_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_job_wakeup")),
    )
    op.create_index("ix_job_wakeup_due_at", "job_wakeup", ["due_at"], unique=False)
    op.execute(WAKE)


def downgrade() -> None:
    op.execute("DROP FUNCTION wake_worker(uuid)")
    op.drop_table("job_wakeup")
