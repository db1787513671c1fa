"""Create the tables of a tenant."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "member",
    "site",
    "study",
    "patient",
    "clinical_fact",
    "medication",
    "import_job",
    "import_fault",
    "import_deferral",
)
IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "import_job",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="running", nullable=False),
        sa.Column("strict", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("next_part", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_line", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "counts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "passed_over",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("error_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure", sa.String(length=500), nullable=True),
        sa.Column("started_by", sa.String(length=255), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_import_job")),
    )
    op.create_index(
        "ix_import_job_tenant_id_fingerprint",
        "import_job",
        ["tenant_id", "fingerprint"],
        unique=False,
    )
    op.create_table(
        "medication",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("code_system", sa.String(length=255), nullable=True),
        sa.Column("code", sa.String(length=128), nullable=True),
        sa.Column("display", sa.String(length=1000), nullable=True),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_medication")),
        sa.UniqueConstraint(
            "tenant_id",
            "source",
            "source_id",
            name=op.f("uq_medication_tenant_id_source_source_id"),
        ),
    )
    op.create_table(
        "member",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("display_name", sa.String(length=200), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
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
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'coordinator', 'recruiter', 'viewer', 'auditor')",
            name=op.f("ck_member_role"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_member")),
        sa.UniqueConstraint(
            "tenant_id", "issuer", "subject", name=op.f("uq_member_tenant_id_issuer_subject")
        ),
    )
    op.create_table(
        "site",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="active", nullable=False),
        sa.Column("investigator", sa.String(length=200), nullable=True),
        sa.Column("city", sa.String(length=100), nullable=True),
        sa.Column("state", sa.String(length=100), nullable=True),
        sa.Column("postal_code", sa.String(length=20), nullable=True),
        sa.Column("country", sa.String(length=100), nullable=True),
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
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f("ck_site_status")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_site")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_site_tenant_id_name")),
    )
    op.create_table(
        "study",
        sa.Column("protocol_number", sa.String(length=64), nullable=False),
        sa.Column("nct_id", sa.String(length=11), nullable=True),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("sponsor", sa.String(length=200), nullable=True),
        sa.Column(
            "phases",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "study_type", sa.String(length=20), server_default="interventional", nullable=False
        ),
        sa.Column(
            "status", sa.String(length=30), server_default="not_yet_recruiting", nullable=False
        ),
        sa.Column(
            "conditions",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("target_enrollment", sa.Integer(), nullable=True),
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
        sa.CheckConstraint("target_enrollment >= 0", name=op.f("ck_study_target_enrollment")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_study")),
        sa.UniqueConstraint("tenant_id", "nct_id", name=op.f("uq_study_tenant_id_nct_id")),
        sa.UniqueConstraint(
            "tenant_id", "protocol_number", name=op.f("uq_study_tenant_id_protocol_number")
        ),
    )
    op.create_table(
        "import_deferral",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("file", sa.String(length=1000), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("resource", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            name=op.f("fk_import_deferral_tenant_id_import_id_import_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_import_deferral")),
    )
    op.create_index(
        "ix_import_deferral_tenant_id_import_id",
        "import_deferral",
        ["tenant_id", "import_id", "id"],
        unique=False,
    )
    op.create_table(
        "import_fault",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("file", sa.String(length=1000), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("pointer", sa.String(length=200), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"],
            ["import_job.tenant_id", "import_job.id"],
            name=op.f("fk_import_fault_tenant_id_import_id_import_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_import_fault")),
    )
    op.create_index(
        "ix_import_fault_tenant_id_import_id",
        "import_fault",
        ["tenant_id", "import_id", "id"],
        unique=False,
    )
    op.create_table(
        "patient",
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.String(length=64), server_default="manual", nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("mrn", sa.String(length=128), nullable=False),
        sa.Column("given_name", sa.String(length=200), nullable=True),
        sa.Column("family_name", sa.String(length=200), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("birth_date_precision", sa.String(length=5), nullable=True),
        sa.Column("sex", sa.String(length=10), nullable=True),
        sa.Column("gender_identity", sa.String(length=200), nullable=True),
        sa.Column("race", sa.String(length=200), nullable=True),
        sa.Column("ethnicity", sa.String(length=200), nullable=True),
        sa.Column("language", sa.String(length=64), nullable=True),
        sa.Column("phone", sa.String(length=64), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("deceased", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("deceased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("contact_preference", sa.String(length=12), server_default="ok", nullable=False),
        sa.Column("last_encounter_on", sa.Date(), nullable=True),
        sa.Column("clinical_version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=True),
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
        sa.CheckConstraint(
            "birth_date_precision IN ('year', 'month', 'day')",
            name=op.f("ck_patient_birth_date_precision"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_patient_tenant_id_site_id_site"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient")),
        sa.UniqueConstraint(
            "tenant_id", "source", "mrn", name=op.f("uq_patient_tenant_id_source_mrn")
        ),
        sa.UniqueConstraint(
            "tenant_id", "source", "source_id", name=op.f("uq_patient_tenant_id_source_source_id")
        ),
    )
    op.create_index(
        "ix_patient_tenant_id_birth_date", "patient", ["tenant_id", "birth_date"], unique=False
    )
    op.create_index(
        "ix_patient_tenant_id_family_name",
        "patient",
        [
            "tenant_id",
            sa.literal_column("lower(family_name)"),
            sa.literal_column("lower(given_name)"),
        ],
        unique=False,
    )
    op.create_index("ix_patient_tenant_id_mrn", "patient", ["tenant_id", "mrn"], unique=False)
    op.create_index(
        "ix_patient_tenant_id_site_id", "patient", ["tenant_id", "site_id"], unique=False
    )
    op.create_table(
        "clinical_fact",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("code_system", sa.String(length=255), nullable=True),
        sa.Column("code", sa.String(length=128), nullable=True),
        sa.Column("display", sa.String(length=1000), nullable=True),
        sa.Column("other_codings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("category", sa.String(length=128), nullable=True),
        sa.Column("status", sa.String(length=128), nullable=True),
        sa.Column("clinical_status", sa.String(length=128), nullable=True),
        sa.Column("verification_status", sa.String(length=128), nullable=True),
        sa.Column("criticality", sa.String(length=128), nullable=True),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_precision", sa.String(length=7), nullable=True),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_precision", sa.String(length=7), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("value_number", sa.Numeric(), nullable=True),
        sa.Column("value_code_system", sa.String(length=255), nullable=True),
        sa.Column("value_code", sa.String(length=128), nullable=True),
        sa.Column("value_text", sa.String(length=4000), nullable=True),
        sa.Column("unit", sa.String(length=128), nullable=True),
        sa.Column("comparator", sa.String(length=2), nullable=True),
        sa.Column("parent_code", sa.String(length=128), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_type", sa.String(length=40), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("component", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("encounter_source_id", sa.String(length=64), nullable=True),
        sa.Column("medication_source_id", sa.String(length=64), nullable=True),
        sa.Column(
            "entered_in_error", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
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
        sa.CheckConstraint(
            "type IN ('condition', 'observation', 'medication', 'procedure', 'allergy',"
            " 'immunization', 'encounter')",
            name=op.f("ck_clinical_fact_type"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_clinical_fact_tenant_id_patient_id_patient"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_clinical_fact")),
        sa.UniqueConstraint(
            "tenant_id",
            "source",
            "source_type",
            "source_id",
            "component",
            name="uq_clinical_fact_resource",
        ),
    )
    op.create_index(
        "ix_clinical_fact_tenant_id_medication_source_id",
        "clinical_fact",
        ["tenant_id", "medication_source_id"],
        unique=False,
        postgresql_where=sa.text("medication_source_id IS NOT NULL"),
    )
    op.create_index(
        "ix_clinical_fact_tenant_id_patient_id_start_at",
        "clinical_fact",
        ["tenant_id", "patient_id", "start_at"],
        unique=False,
    )
    op.create_index(
        "ix_clinical_fact_tenant_id_type_code",
        "clinical_fact",
        ["tenant_id", "type", "code", "patient_id"],
        unique=False,
    )
    # The policies stand in every tier; the tier whose tables are shared switches them on.
    for table in TABLES:
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC"
            f" USING ({IS_CURRENT_TENANT}) WITH CHECK ({IS_CURRENT_TENANT})"
        )


def downgrade() -> None:
    op.drop_index("ix_clinical_fact_tenant_id_type_code", table_name="clinical_fact")
    op.drop_index("ix_clinical_fact_tenant_id_patient_id_start_at", table_name="clinical_fact")
    op.drop_index(
        "ix_clinical_fact_tenant_id_medication_source_id",
        table_name="clinical_fact",
        postgresql_where=sa.text("medication_source_id IS NOT NULL"),
    )
    op.drop_table("clinical_fact")
    op.drop_index("ix_patient_tenant_id_site_id", table_name="patient")
    op.drop_index("ix_patient_tenant_id_mrn", table_name="patient")
    op.drop_index("ix_patient_tenant_id_family_name", table_name="patient")
    op.drop_index("ix_patient_tenant_id_birth_date", table_name="patient")
    op.drop_table("patient")
    op.drop_index("ix_import_fault_tenant_id_import_id", table_name="import_fault")
    op.drop_table("import_fault")
    op.drop_index("ix_import_deferral_tenant_id_import_id", table_name="import_deferral")
    op.drop_table("import_deferral")
    op.drop_table("study")
    op.drop_table("site")
    op.drop_table("member")
    op.drop_table("medication")
    op.drop_index("ix_import_job_tenant_id_fingerprint", table_name="import_job")
    op.drop_table("import_job")
