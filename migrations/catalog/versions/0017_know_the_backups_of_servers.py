"""Know how each server is backed up."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("server", sa.Column("backup", sa.String(length=80), nullable=True))


def downgrade() -> None:
    op.drop_column("server", "backup")
