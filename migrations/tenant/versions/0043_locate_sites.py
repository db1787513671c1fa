"""Locate sites."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("latitude", "longitude"):
        op.add_column("site", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    for name in ("longitude", "latitude"):
        op.drop_column("site", name)
