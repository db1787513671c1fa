"""Know whose fields are encrypted."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NUMBERS = ("field_key_version", "former_field_key_version")


def upgrade() -> None:
    for name in NUMBERS:
        op.add_column("tenant", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column(
        "tenant",
        sa.Column(
            "fields_are_changing", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    )


def downgrade() -> None:
    op.drop_column("tenant", "fields_are_changing")
    for name in reversed(NUMBERS):
        op.drop_column("tenant", name)
