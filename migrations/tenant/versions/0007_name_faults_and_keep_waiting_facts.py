"""Name the code and the record of faults, and keep facts that wait for their patient.

`import_deferral` stays for the version that still writes it. Its rows are copied.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "import_job",
        sa.Column(
            "error_groups",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "import_job", sa.Column("refused_count", sa.Integer(), server_default="0", nullable=False)
    )
    for column in (
        sa.Column("code", sa.String(40), server_default="invalid_element", nullable=False),
        sa.Column("concerns", sa.String(10), server_default="record", nullable=False),
        sa.Column("resource_type", sa.String(64), nullable=True),
        sa.Column("resource_id", sa.String(64), nullable=True),
        sa.Column("missing_id", sa.String(1100), nullable=True),
    ):
        op.add_column("import_fault", column)
    op.create_index(
        "ix_import_fault_tenant_id_import_id_concerns",
        "import_fault",
        ["tenant_id", "import_id", "concerns", "id"],
    )
    op.create_table(
        "waiting_fact",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("base_url", sa.String(1024), server_default="", nullable=False),
        sa.Column("source_type", sa.String(64), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False),
        sa.Column("patient_key", sa.String(1100), nullable=False),
        sa.Column("version_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version_number", sa.BigInteger(), nullable=True),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("file", sa.String(1000), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("resource", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("json_bytes", sa.Integer(), nullable=False),
        sa.Column(
            "waiting_since",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            name=op.f("fk_waiting_fact_tenant_id_import_id_import_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_waiting_fact")),
        sa.UniqueConstraint(
            "tenant_id",
            "source",
            "base_url",
            "source_type",
            "source_id",
            name="uq_waiting_fact_key",
        ),
    )
    op.create_index(
        "ix_waiting_fact_tenant_id_import_id", "waiting_fact", ["tenant_id", "import_id", "id"]
    )
    op.create_index(
        "ix_waiting_fact_tenant_id_source", "waiting_fact", ["tenant_id", "source", "id"]
    )
    op.execute(
        "INSERT INTO waiting_fact (tenant_id, id, source, source_type, source_id, patient_key,"
        " import_id, file, line, resource, json_bytes)"
        " SELECT deferred.tenant_id, deferred.id, job.source, deferred.resource ->> 'type',"
        " deferred.resource #>> '{rows,0,source_id}',"
        " deferred.resource #>> '{rows,0,patient_source_id}',"
        " deferred.import_id, deferred.file, deferred.line, deferred.resource, deferred.json_bytes"
        " FROM import_deferral deferred JOIN import_job job"
        " ON job.tenant_id = deferred.tenant_id AND job.id = deferred.import_id"
        " ORDER BY deferred.id DESC ON CONFLICT DO NOTHING"
    )
    op.execute(
        "CREATE POLICY tenant_rows ON waiting_fact TO PUBLIC"
        f" USING ({IS_CURRENT_TENANT}) WITH CHECK ({IS_CURRENT_TENANT})"
    )


def downgrade() -> None:
    op.drop_table("waiting_fact")
    op.drop_index("ix_import_fault_tenant_id_import_id_concerns", "import_fault")
    for name in ("missing_id", "resource_id", "resource_type", "concerns", "code"):
        op.drop_column("import_fault", name)
    for name in ("refused_count", "error_groups"):
        op.drop_column("import_job", name)
