"""Keep sites, teams, documents and protocol versions of studies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"
_REMOVED = "nullif(current_setting('trially.removed_tenant', true), '')::uuid"

# An active version may only become superseded, and a superseded one never changes.
_KEEP_VERSIONS = f"""
CREATE FUNCTION keep_approved_versions() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF old.status IN ('draft', 'in_review') OR old.tenant_id = {_REMOVED} THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN old ELSE new END;
    END IF;
    IF TG_OP = 'UPDATE' AND old.status = 'active' AND new.status = 'superseded'
        AND to_jsonb(new) - '{{status,version,updated_at}}'::text[]
            = to_jsonb(old) - '{{status,version,updated_at}}'::text[]
    THEN
        RETURN new;
    END IF;
    RAISE SQLSTATE 'TR004' USING MESSAGE = 'an approved version of a protocol never changes';
END
$function$;
REVOKE EXECUTE ON FUNCTION keep_approved_versions() FROM PUBLIC
"""

_KEEP_CRITERIA = f"""
CREATE FUNCTION keep_approved_criteria() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    written record := CASE TG_OP WHEN 'DELETE' THEN old ELSE new END;
    approved boolean;
BEGIN
    EXECUTE format('SELECT status IN (''active'', ''superseded'') FROM %I.protocol_version'
        ' WHERE tenant_id = $1 AND id = $2', TG_TABLE_SCHEMA)
        INTO approved USING written.tenant_id, written.protocol_version_id;
    IF approved AND written.tenant_id IS DISTINCT FROM {_REMOVED} THEN
        RAISE SQLSTATE 'TR004' USING MESSAGE = 'an approved version of a protocol never changes';
    END IF;
    RETURN written;
END
$function$;
REVOKE EXECUTE ON FUNCTION keep_approved_criteria() FROM PUBLIC
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "protocol_version",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("status", sa.String(length=10), server_default="draft", nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=True),
        sa.Column("copied_from", sa.Integer(), nullable=True),
        sa.Column("criteria_hash", sa.String(length=64), nullable=False),
        sa.Column("approved_by", sa.String(length=255), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
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
            "status IN ('draft', 'in_review', 'active', 'superseded')",
            name=op.f("ck_protocol_version_status"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "study_id"],
            ["study.tenant_id", "study.id"],
            name=op.f("fk_protocol_version_tenant_id_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_protocol_version")),
        sa.UniqueConstraint(
            "tenant_id",
            "study_id",
            "number",
            name=op.f("uq_protocol_version_tenant_id_study_id_number"),
        ),
    )
    op.create_index(
        "uq_protocol_version_active",
        "protocol_version",
        ["tenant_id", "study_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "registry_record",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("imported", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("left_out", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "study_id"],
            ["study.tenant_id", "study.id"],
            name=op.f("fk_registry_record_tenant_id_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_registry_record")),
        sa.UniqueConstraint(
            "tenant_id", "study_id", name=op.f("uq_registry_record_tenant_id_study_id")
        ),
    )
    op.create_table(
        "study_document",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("file_size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("page_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("character_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "has_page_numbers", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("text_problem", sa.String(length=20), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=False),
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
        sa.ForeignKeyConstraint(
            ["tenant_id", "study_id"],
            ["study.tenant_id", "study.id"],
            name=op.f("fk_study_document_tenant_id_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_study_document")),
        sa.UniqueConstraint(
            "tenant_id",
            "study_id",
            "digest",
            name=op.f("uq_study_document_tenant_id_study_id_digest"),
        ),
    )
    op.create_table(
        "study_site",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=10), server_default="planned", nullable=False),
        sa.Column("target_enrollment", sa.Integer(), nullable=True),
        sa.Column("investigator", sa.String(length=200), nullable=True),
        sa.Column("opened_on", sa.Date(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
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
        sa.CheckConstraint("closed_on >= opened_on", name=op.f("ck_study_site_closed_on")),
        sa.CheckConstraint("target_enrollment >= 0", name=op.f("ck_study_site_target_enrollment")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_study_site_tenant_id_site_id_site"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "study_id"],
            ["study.tenant_id", "study.id"],
            name=op.f("fk_study_site_tenant_id_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_study_site")),
        sa.UniqueConstraint(
            "tenant_id",
            "study_id",
            "site_id",
            name=op.f("uq_study_site_tenant_id_study_id_site_id"),
        ),
    )
    op.create_index(
        "ix_study_site_tenant_id_site_id", "study_site", ["tenant_id", "site_id"], unique=False
    )
    op.create_table(
        "team_member",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=30), nullable=False),
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
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["member.tenant_id", "member.id"],
            name=op.f("fk_team_member_tenant_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "study_id"],
            ["study.tenant_id", "study.id"],
            name=op.f("fk_team_member_tenant_id_study_id_study"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_team_member")),
        sa.UniqueConstraint(
            "tenant_id",
            "study_id",
            "member_id",
            name=op.f("uq_team_member_tenant_id_study_id_member_id"),
        ),
    )
    op.create_index(
        "ix_team_member_tenant_id_member_id",
        "team_member",
        ["tenant_id", "member_id"],
        unique=False,
    )
    op.create_table(
        "criterion",
        sa.Column("protocol_version_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("place_start", sa.Integer(), nullable=True),
        sa.Column("place_end", sa.Integer(), nullable=True),
        sa.Column(
            "evaluation", sa.String(length=15), server_default="not_expressed", nullable=False
        ),
        sa.Column(
            "expression", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("is_hard", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("weight", sa.Integer(), server_default="1", nullable=False),
        sa.Column("review_state", sa.String(length=10), server_default="drafted", nullable=False),
        sa.Column("proposed_by", sa.String(length=10), server_default="person", nullable=False),
        sa.Column("proposer_name", sa.String(length=255), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(evaluation = 'expressed') = (expression IS NOT NULL)",
            name=op.f("ck_criterion_evaluation"),
        ),
        sa.CheckConstraint(
            "(document_id IS NULL) = (place_start IS NULL)"
            " AND (place_start IS NULL) = (place_end IS NULL)",
            name=op.f("ck_criterion_place"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "protocol_version_id"],
            ["protocol_version.tenant_id", "protocol_version.id"],
            name=op.f("fk_criterion_tenant_id_protocol_version_id_protocol_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_criterion")),
        sa.UniqueConstraint(
            "tenant_id",
            "protocol_version_id",
            "key",
            name=op.f("uq_criterion_tenant_id_protocol_version_id_key"),
        ),
        sa.UniqueConstraint(
            "tenant_id",
            "protocol_version_id",
            "position",
            name=op.f("uq_criterion_tenant_id_protocol_version_id_position"),
        ),
    )
    op.create_table(
        "study_document_page",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["study_document.tenant_id", "study_document.id"],
            name=op.f("fk_study_document_page_tenant_id_document_id_study_document"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_study_document_page")),
        sa.UniqueConstraint(
            "tenant_id",
            "document_id",
            "number",
            name=op.f("uq_study_document_page_tenant_id_document_id_number"),
        ),
    )
    op.create_table(
        "study_document_part",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["study_document.tenant_id", "study_document.id"],
            name=op.f("fk_study_document_part_tenant_id_document_id_study_document"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_study_document_part")),
        sa.UniqueConstraint(
            "tenant_id",
            "document_id",
            "number",
            name=op.f("uq_study_document_part_tenant_id_document_id_number"),
        ),
    )
    op.add_column(
        "study",
        sa.Column(
            "recruiting_status", sa.String(length=10), server_default="planned", nullable=False
        ),
    )
    op.add_column(
        "study", sa.Column("source", sa.String(length=10), server_default="manual", nullable=False)
    )
    op.add_column(
        "study",
        sa.Column(
            "keywords",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column(
        "study",
        sa.Column(
            "interventions",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("study", sa.Column("sex", sa.String(length=10), nullable=True))
    op.add_column("study", sa.Column("minimum_age", sa.String(length=10), nullable=True))
    op.add_column("study", sa.Column("maximum_age", sa.String(length=10), nullable=True))
    op.add_column("study", sa.Column("healthy_volunteers", sa.Boolean(), nullable=True))
    for table in (
        "protocol_version",
        "criterion",
        "study_document",
        "study_document_page",
        "study_document_part",
        "study_site",
        "team_member",
        "registry_record",
    ):
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC"
            f" USING ({_TENANT}) WITH CHECK ({_TENANT})"
        )
    for table in ("protocol_version", "study_document", "study_site", "team_member"):
        op.execute(
            f"CREATE TRIGGER grow_version BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION grow_version()"
        )
    op.execute(_KEEP_VERSIONS)
    op.execute(
        "CREATE TRIGGER keep_approved BEFORE UPDATE OR DELETE ON protocol_version"
        " FOR EACH ROW EXECUTE FUNCTION keep_approved_versions()"
    )
    op.execute(_KEEP_CRITERIA)
    op.execute(
        "CREATE TRIGGER keep_approved BEFORE INSERT OR UPDATE OR DELETE ON criterion"
        " FOR EACH ROW EXECUTE FUNCTION keep_approved_criteria()"
    )
    # Ciphertext cannot be compressed.
    for table in ("study_document_page", "study_document_part"):
        op.execute(f"ALTER TABLE {table} ALTER sealed SET STORAGE EXTERNAL")


def downgrade() -> None:
    for column in (
        "healthy_volunteers",
        "maximum_age",
        "minimum_age",
        "sex",
        "interventions",
        "keywords",
        "source",
        "recruiting_status",
    ):
        op.drop_column("study", column)
    for table in (
        "study_document_part",
        "study_document_page",
        "criterion",
        "team_member",
        "study_site",
        "study_document",
        "registry_record",
        "protocol_version",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION keep_approved_criteria()")
    op.execute("DROP FUNCTION keep_approved_versions()")
