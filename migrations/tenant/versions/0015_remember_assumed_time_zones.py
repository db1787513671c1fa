"""Remember the time zone in which times without an offset were read."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("clinical_fact", sa.Column("zone", sa.String(length=64), nullable=True))
    op.add_column("clinical_fact", sa.Column("zoned_times", sa.String(length=20), nullable=True))
    op.add_column("patient", sa.Column("deceased_zone", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_clinical_fact_zone",
        "clinical_fact",
        ["tenant_id", "source", "zone"],
        postgresql_where=sa.text("zone IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_clinical_fact_zone", "clinical_fact")
    op.drop_column("patient", "deceased_zone")
    op.drop_column("clinical_fact", "zoned_times")
    op.drop_column("clinical_fact", "zone")
