"""Seal the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from trially.tenancy.schema.append_only import refuse_changes_sql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_READ_IN_PARTS = ("record_ids", "directory", "entries")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_audit_record_order", "audit_record", ["tenant_id", "epoch", "transaction_id"]
    )
    op.create_table(
        "audit_seal",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("first", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("last", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=False),
        sa.Column("checksums", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "sealed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_seal")),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_audit_seal_tenant_id_number")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_seal TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_table(
        "audit_subject",
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("first_seal", sa.BigInteger(), nullable=False),
        sa.Column("last_seal", sa.BigInteger(), nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("shift", sa.SmallInteger(), nullable=False),
        sa.Column("record_ids", sa.LargeBinary(), nullable=False),
        sa.Column("directory", sa.LargeBinary(), nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_subject")),
        sa.UniqueConstraint(
            "tenant_id",
            "level",
            "first_seal",
            name=op.f("uq_audit_subject_tenant_id_level_first_seal"),
        ),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_subject TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_table(
        "audit_pruning",
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("operator", sa.String(length=255), nullable=False),
        sa.Column(
            "pruned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_pruning")),
        sa.UniqueConstraint("tenant_id", "year", name=op.f("uq_audit_pruning_tenant_id_year")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_pruning TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    for table in ("audit_seal", "audit_subject", "audit_pruning"):
        for statement in refuse_changes_sql(table):
            op.execute(statement)
    for column in _READ_IN_PARTS:
        op.execute(f"ALTER TABLE audit_subject ALTER {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table in ("audit_pruning", "audit_subject", "audit_seal"):
        op.drop_table(table)
    op.drop_index("ix_audit_record_order", table_name="audit_record")
