"""Remember the time zone in which times of documents without an offset were read."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("document", sa.Column("zone", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_document_zone",
        "document",
        ["tenant_id", "source", "zone"],
        postgresql_where=sa.text("zone IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_document_zone", "document")
    op.drop_column("document", "zone")
