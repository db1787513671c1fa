"""Keep which records a full export contains and lacks, and how likely a number is the MRN."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"
UNENDED = sa.text("completeness = 'reading' OR completeness = 'listed'")


def create_keys(name: str, key: tuple[str, ...], *added: sa.Column) -> None:
    op.create_table(
        name,
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("base_url", sa.String(1024), server_default="", nullable=False),
        sa.Column("source_type", sa.String(64), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False),
        *added,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            name=op.f(f"fk_{name}_tenant_id_import_id_import_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{name}")),
        sa.UniqueConstraint("tenant_id", "import_id", *key, name=f"uq_{name}_key"),
    )
    op.execute(
        f"CREATE POLICY tenant_rows ON {name} TO PUBLIC"
        f" USING ({IS_CURRENT_TENANT}) WITH CHECK ({IS_CURRENT_TENANT})"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("patient_identifier", sa.Column("mrn_rank", sa.SmallInteger(), nullable=True))
    op.add_column("import_job", sa.Column("completeness", sa.String(10), nullable=True))
    op.add_column(
        "import_job",
        sa.Column(
            "missing",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.create_index(
        "ix_import_job_tenant_id_source",
        "import_job",
        ["tenant_id", "source"],
        postgresql_where=UNENDED,
    )
    contained = sa.Column("is_contained", sa.Boolean(), nullable=False)
    create_keys("imported_record", ("base_url", "source_type", "source_id"), contained)
    create_keys("missing_record", ("source_type", "base_url", "source_id"))


def downgrade() -> None:
    op.drop_table("missing_record")
    op.drop_table("imported_record")
    op.drop_index("ix_import_job_tenant_id_source", "import_job", postgresql_where=UNENDED)
    op.drop_column("import_job", "missing")
    op.drop_column("import_job", "completeness")
    op.drop_column("patient_identifier", "mrn_rank")
