"""Keep placements that tenants have left, for a time."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("placement", sa.Column("kept_until", sa.DateTime(timezone=True), nullable=True))
    # Each process that runs an operation counts itself, the first one too.
    op.alter_column("operation", "attempts", server_default="0")


def downgrade() -> None:
    op.alter_column("operation", "attempts", server_default="1")
    op.drop_column("placement", "kept_until")
