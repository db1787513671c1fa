"""Keep a ledger of migrations, and the reason why a placement could not be migrated."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "migration_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.String(length=32), nullable=False),
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("at_target", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migration_run")),
    )
    op.create_table(
        "place_migration",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("server", sa.String(length=40), nullable=False),
        sa.Column("database", sa.String(length=63), nullable=False),
        sa.Column("schema", sa.String(length=63), nullable=False),
        sa.Column("stage", sa.String(length=40), nullable=False),
        sa.Column("from_revision", sa.String(length=32), nullable=True),
        sa.Column("to_revision", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sqlstate", sa.String(length=5), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("statement", sa.String(), nullable=True),
        sa.Column("ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["migration_run.id"],
            name=op.f("fk_place_migration_run_id_migration_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "run_id", "server", "database", "schema", name=op.f("pk_place_migration")
        ),
    )
    op.create_index("ix_place_migration_database_schema", "place_migration", ["database", "schema"])
    op.add_column("placement", sa.Column("quarantine", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("placement", "quarantine")
    op.drop_table("place_migration")
    op.drop_table("migration_run")
