"""Know how to reach each server, and what it takes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("pooler_url", sa.String(), nullable=True),
        sa.Column("replica_urls", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("tiers", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("is_draining", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("system_identifier", sa.String(length=20), nullable=True),
    ):
        op.add_column("server", column)
    op.create_table(
        "server_password",
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["server.id"],
            name=op.f("fk_server_password_server_id_server"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_server_password")),
    )


def downgrade() -> None:
    op.drop_table("server_password")
    for name in (
        "system_identifier",
        "is_draining",
        "tiers",
        "capacity",
        "replica_urls",
        "pooler_url",
        "url",
    ):
        op.drop_column("server", name)
