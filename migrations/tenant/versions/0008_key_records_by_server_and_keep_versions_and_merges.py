"""Key records by server, and keep versions, withdrawals, merges and corrections.

Computed columns rewrite the table of patients, and the key of records gets a new index. Both block
the tenant's requests meanwhile.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "erased_patient",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("erased_by", sa.String(length=255), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_erased_patient")),
        sa.UniqueConstraint(
            "tenant_id", "source", "digest", name=op.f("uq_erased_patient_tenant_id_source_digest")
        ),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON erased_patient TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_table(
        "record_deletion",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("base_url", sa.String(length=1024), server_default="", nullable=False),
        sa.Column("source_type", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("version_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version_number", sa.BigInteger(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_record_deletion")),
        sa.UniqueConstraint(
            "tenant_id",
            "source",
            "base_url",
            "source_type",
            "source_id",
            name="uq_record_deletion_key",
        ),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON record_deletion TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_table(
        "record_source",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("base_url", sa.String(length=1024), nullable=True),
        sa.Column("mrn_system", sa.String(length=255), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column(
            "column_mapping",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
        ),
        sa.Column(
            "erasure_salt",
            sa.LargeBinary(),
            server_default=sa.text("uuid_send(gen_random_uuid())"),
            nullable=False,
        ),
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
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_record_source")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_record_source_tenant_id_name")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON record_source TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON record_source"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    op.create_index(
        "ix_record_source_sort_created_at",
        "record_source",
        ["tenant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_record_source_sort_name",
        "record_source",
        ["tenant_id", sa.literal_column("lower(name)"), "id"],
        unique=False,
    )
    op.create_table(
        "patient_identifier",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("system", sa.String(length=255), nullable=True),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=128), nullable=True),
        sa.Column("use", sa.String(length=20), nullable=True),
        sa.Column("period_start", sa.String(length=48), nullable=True),
        sa.Column("period_end", sa.String(length=48), nullable=True),
        sa.Column("assigner", sa.String(length=200), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_identifier_tenant_id_patient_id_patient"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient_identifier")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON patient_identifier TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_index(
        "ix_patient_identifier_tenant_id_patient_id",
        "patient_identifier",
        ["tenant_id", "patient_id"],
        unique=False,
    )
    op.create_index(
        "ix_patient_identifier_tenant_id_value",
        "patient_identifier",
        ["tenant_id", "value"],
        unique=False,
    )
    op.add_column("clinical_fact", sa.Column("recorded_patient_id", sa.Uuid(), nullable=True))
    op.add_column(
        "clinical_fact",
        sa.Column("base_url", sa.String(length=1024), server_default="", nullable=False),
    )
    op.add_column(
        "clinical_fact", sa.Column("version_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("clinical_fact", sa.Column("version_number", sa.BigInteger(), nullable=True))
    op.add_column(
        "clinical_fact", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "clinical_fact", sa.Column("withdrawn_reason", sa.String(length=20), nullable=True)
    )
    op.drop_constraint(op.f("uq_clinical_fact_resource"), "clinical_fact", type_="unique")
    op.create_unique_constraint(
        "uq_clinical_fact_resource",
        "clinical_fact",
        ["tenant_id", "source", "base_url", "source_type", "source_id", "component"],
    )
    op.create_index(
        "ix_clinical_fact_tenant_id_recorded_patient_id",
        "clinical_fact",
        ["tenant_id", "recorded_patient_id"],
        unique=False,
        postgresql_where=sa.text("recorded_patient_id IS NOT NULL"),
    )
    op.create_foreign_key(
        "fk_clinical_fact_recorded_patient_id",
        "clinical_fact",
        "patient",
        ["tenant_id", "recorded_patient_id"],
        ["tenant_id", "id"],
        ondelete="CASCADE",
    )
    op.add_column(
        "medication",
        sa.Column("base_url", sa.String(length=1024), server_default="", nullable=False),
    )
    op.add_column("medication", sa.Column("version_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("medication", sa.Column("version_number", sa.BigInteger(), nullable=True))
    op.drop_constraint(
        op.f("uq_medication_tenant_id_source_source_id"), "medication", type_="unique"
    )
    op.create_unique_constraint(
        op.f("uq_medication_tenant_id_source_base_url_source_id"),
        "medication",
        ["tenant_id", "source", "base_url", "source_id"],
    )
    op.add_column(
        "patient", sa.Column("base_url", sa.String(length=1024), server_default="", nullable=False)
    )
    op.add_column("patient", sa.Column("mrn_system", sa.String(length=255), nullable=True))
    op.add_column("patient", sa.Column("version_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("patient", sa.Column("version_number", sa.BigInteger(), nullable=True))
    op.add_column("patient", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("patient", sa.Column("withdrawn_reason", sa.String(length=20), nullable=True))
    op.add_column("patient", sa.Column("replaced_by_id", sa.Uuid(), nullable=True))
    op.add_column("patient", sa.Column("merged_by", sa.String(length=255), nullable=True))
    op.add_column("patient", sa.Column("link_base_url", sa.String(length=1024), nullable=True))
    op.add_column("patient", sa.Column("link_source_id", sa.String(length=64), nullable=True))
    op.add_column(
        "patient",
        sa.Column(
            "corrections",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "patient",
        sa.Column(
            "record_status",
            sa.String(length=10),
            sa.Computed(
                "CASE WHEN withdrawn_at IS NOT NULL THEN 'withdrawn'"
                " WHEN replaced_by_id IS NOT NULL THEN 'replaced'"
                " WHEN NOT active THEN 'inactive' ELSE 'current' END",
                persisted=True,
            ),
            nullable=False,
        ),
    )
    op.add_column(
        "patient",
        sa.Column(
            "mrn_scope",
            sa.String(length=255),
            sa.Computed(
                "CASE WHEN withdrawn_at IS NULL AND replaced_by_id IS NULL AND active"
                " THEN coalesce(mrn_system, '') END",
                persisted=True,
            ),
            nullable=True,
        ),
    )
    op.drop_constraint(op.f("uq_patient_tenant_id_source_mrn"), "patient", type_="unique")
    op.drop_constraint(op.f("uq_patient_tenant_id_source_source_id"), "patient", type_="unique")
    op.create_index(
        "ix_patient_link",
        "patient",
        ["tenant_id", "source", "link_base_url", "link_source_id"],
        unique=False,
        postgresql_where=sa.text("link_source_id IS NOT NULL"),
    )
    op.create_index(
        "ix_patient_tenant_id_replaced_by_id",
        "patient",
        ["tenant_id", "replaced_by_id"],
        unique=False,
        postgresql_where=sa.text("replaced_by_id IS NOT NULL"),
    )
    op.create_unique_constraint(
        op.f("uq_patient_tenant_id_source_base_url_source_id"),
        "patient",
        ["tenant_id", "source", "base_url", "source_id"],
    )
    op.create_unique_constraint(
        op.f("uq_patient_tenant_id_source_mrn_scope_mrn"),
        "patient",
        ["tenant_id", "source", "mrn_scope", "mrn"],
        deferrable=True,
        initially="IMMEDIATE",
    )
    op.create_foreign_key(
        "fk_patient_replaced_by_id",
        "patient",
        "patient",
        ["tenant_id", "replaced_by_id"],
        ["tenant_id", "id"],
        ondelete="SET NULL (replaced_by_id)",
    )
    op.execute(
        "INSERT INTO record_source (tenant_id, id, name)"
        " SELECT tenant_id, gen_random_uuid(), source FROM ("
        " SELECT tenant_id, source FROM import_job"
        " UNION SELECT tenant_id, source FROM patient WHERE source <> 'manual') AS named"
    )
    # Earlier imports counted less.
    op.execute(
        "UPDATE import_job SET counts = (SELECT jsonb_object_agg(type, jsonb_build_object("
        "'stale', 0, 'withdrawn', 0, 'erased', 0, 'waiting', 0, 'resolved', 0) || counted)"
        " FROM jsonb_each(counts) AS of_type (type, counted)) WHERE counts <> '{}'"
    )


def downgrade() -> None:
    op.drop_constraint("fk_patient_replaced_by_id", "patient", type_="foreignkey")
    op.drop_constraint(op.f("uq_patient_tenant_id_source_mrn_scope_mrn"), "patient", type_="unique")
    op.drop_constraint(
        op.f("uq_patient_tenant_id_source_base_url_source_id"), "patient", type_="unique"
    )
    op.drop_index(
        "ix_patient_tenant_id_replaced_by_id",
        table_name="patient",
        postgresql_where=sa.text("replaced_by_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_patient_link",
        table_name="patient",
        postgresql_where=sa.text("link_source_id IS NOT NULL"),
    )
    op.create_unique_constraint(
        op.f("uq_patient_tenant_id_source_source_id"),
        "patient",
        ["tenant_id", "source", "source_id"],
    )
    op.create_unique_constraint(
        op.f("uq_patient_tenant_id_source_mrn"),
        "patient",
        ["tenant_id", "source", "mrn"],
    )
    op.drop_column("patient", "mrn_scope")
    op.drop_column("patient", "record_status")
    op.drop_column("patient", "corrections")
    op.drop_column("patient", "link_source_id")
    op.drop_column("patient", "link_base_url")
    op.drop_column("patient", "merged_by")
    op.drop_column("patient", "replaced_by_id")
    op.drop_column("patient", "withdrawn_reason")
    op.drop_column("patient", "withdrawn_at")
    op.drop_column("patient", "version_number")
    op.drop_column("patient", "version_at")
    op.drop_column("patient", "mrn_system")
    op.drop_column("patient", "base_url")
    op.drop_constraint(
        op.f("uq_medication_tenant_id_source_base_url_source_id"), "medication", type_="unique"
    )
    op.create_unique_constraint(
        op.f("uq_medication_tenant_id_source_source_id"),
        "medication",
        ["tenant_id", "source", "source_id"],
    )
    op.drop_column("medication", "version_number")
    op.drop_column("medication", "version_at")
    op.drop_column("medication", "base_url")
    op.drop_constraint("fk_clinical_fact_recorded_patient_id", "clinical_fact", type_="foreignkey")
    op.drop_index(
        "ix_clinical_fact_tenant_id_recorded_patient_id",
        table_name="clinical_fact",
        postgresql_where=sa.text("recorded_patient_id IS NOT NULL"),
    )
    op.drop_constraint("uq_clinical_fact_resource", "clinical_fact", type_="unique")
    op.create_unique_constraint(
        op.f("uq_clinical_fact_resource"),
        "clinical_fact",
        ["tenant_id", "source", "source_type", "source_id", "component"],
    )
    op.drop_column("clinical_fact", "withdrawn_reason")
    op.drop_column("clinical_fact", "withdrawn_at")
    op.drop_column("clinical_fact", "version_number")
    op.drop_column("clinical_fact", "version_at")
    op.drop_column("clinical_fact", "base_url")
    op.drop_column("clinical_fact", "recorded_patient_id")
    op.drop_index("ix_patient_identifier_tenant_id_value", table_name="patient_identifier")
    op.drop_index("ix_patient_identifier_tenant_id_patient_id", table_name="patient_identifier")
    op.drop_table("patient_identifier")
    op.drop_index("ix_record_source_sort_name", table_name="record_source")
    op.drop_index("ix_record_source_sort_created_at", table_name="record_source")
    op.drop_table("record_source")
    op.drop_table("record_deletion")
    op.drop_table("erased_patient")
