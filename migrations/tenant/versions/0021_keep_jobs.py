"""Keep jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "job",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="queued", nullable=False),
        sa.Column("step", sa.String(length=40), nullable=True),
        sa.Column("position", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("progress_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("lease_id", sa.Uuid(), nullable=True),
        sa.Column("is_cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("issuer", sa.String(length=255), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("operator", sa.String(length=255), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
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
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_job_state"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_job")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON job TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON job"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    for name, column, condition in (
        ("ix_job_due", "due_at", "ended_at IS NULL"),
        ("ix_job_running", "due_at", "state = 'running'"),
        ("ix_job_ended", "ended_at", "ended_at IS NOT NULL"),
    ):
        op.create_index(
            name, "job", ["tenant_id", column], unique=False, postgresql_where=sa.text(condition)
        )
    op.create_table(
        "job_file_part",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["job.tenant_id", "job.id"],
            name=op.f("fk_job_file_part_tenant_id_job_id_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_job_file_part")),
        sa.UniqueConstraint(
            "tenant_id", "job_id", "number", name=op.f("uq_job_file_part_tenant_id_job_id_number")
        ),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON job_file_part TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    # Ciphertext cannot be compressed.
    op.execute("ALTER TABLE job_file_part ALTER sealed SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("job_file_part")
    op.drop_table("job")
