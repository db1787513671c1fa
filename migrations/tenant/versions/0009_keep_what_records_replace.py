"""Keep which records a record replaces, and which other record a fault is about."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "patient",
        sa.Column(
            "replaces", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
    )
    op.create_index(
        "ix_patient_replaces",
        "patient",
        ["tenant_id", "source"],
        unique=False,
        postgresql_where=sa.text("replaces IS NOT NULL"),
    )
    op.add_column("import_fault", sa.Column("other_id", sa.String(length=1200), nullable=True))


def downgrade() -> None:
    op.drop_column("import_fault", "other_id")
    op.drop_index(
        "ix_patient_replaces",
        table_name="patient",
        postgresql_where=sa.text("replaces IS NOT NULL"),
    )
    op.drop_column("patient", "replaces")
