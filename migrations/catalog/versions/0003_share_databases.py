"""Know the databases that tenants share."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shared_database",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("tier", sa.String(length=20), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["server_id"], ["server.id"], name=op.f("fk_shared_database_server_id_server")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_shared_database")),
    )
    op.create_index(
        op.f("ix_shared_database_server_id"), "shared_database", ["server_id"], unique=False
    )
    op.create_index(op.f("ix_placement_database"), "placement", ["database"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_placement_database"), table_name="placement")
    op.drop_index(op.f("ix_shared_database_server_id"), table_name="shared_database")
    op.drop_table("shared_database")
