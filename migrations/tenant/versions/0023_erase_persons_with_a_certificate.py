"""Erase persons with a certificate, and hold them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "patient_hold",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("placed_by", sa.String(length=255), nullable=False),
        sa.Column(
            "placed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_hold_tenant_id_patient_id_patient"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient_hold")),
        sa.UniqueConstraint(
            "tenant_id", "patient_id", name=op.f("uq_patient_hold_tenant_id_patient_id")
        ),
    )
    op.create_table(
        "person_erasure",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("erased_by", sa.String(length=255), nullable=False),
        sa.Column(
            "erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("pseudonyms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("certificate", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_person_erasure")),
    )
    op.create_index(
        "ix_person_erasure_tenant_id_patient_id",
        "person_erasure",
        ["tenant_id", "patient_id"],
        unique=False,
    )
    for table in ("patient_hold", "person_erasure"):
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC"
            f" USING ({_TENANT}) WITH CHECK ({_TENANT})"
        )


def downgrade() -> None:
    op.drop_table("person_erasure")
    op.drop_table("patient_hold")
