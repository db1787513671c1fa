"""Record the revision of each placement's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NULL until `flask db upgrade` has visited the placement.
    op.add_column("placement", sa.Column("revision", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("placement", "revision")
