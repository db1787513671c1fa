"""Record the fingerprint of the secret key."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The command that runs this migration writes the first row, once it has verified the key.
    op.create_table(
        "secret_key",
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_secret_key")),
        sa.UniqueConstraint("is_current", name=op.f("uq_secret_key_is_current")),
    )


def downgrade() -> None:
    op.drop_table("secret_key")
