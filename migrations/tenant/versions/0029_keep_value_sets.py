"""Keep value sets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "value_set",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=True),
        sa.Column("compose", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("number", sa.Integer(), server_default="1", nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("code_count", sa.Integer(), nullable=False),
        sa.Column("range_count", sa.Integer(), nullable=False),
        sa.Column(
            "gaps",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "terminologies",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "expanded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_value_set")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_value_set_tenant_id_key")),
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON value_set"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    op.create_index(
        "ix_value_set_sort_created_at", "value_set", ["tenant_id", "created_at", "id"], unique=False
    )
    op.create_index("ix_value_set_sort_key", "value_set", ["tenant_id", "key", "id"], unique=False)
    op.create_index(
        "ix_value_set_sort_name",
        "value_set",
        ["tenant_id", sa.literal_column("lower(name)"), "id"],
        unique=False,
    )
    op.create_table(
        "value_set_expansion",
        sa.Column("value_set_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("terminologies", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "expanded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "value_set_id"],
            ["value_set.tenant_id", "value_set.id"],
            name=op.f("fk_value_set_expansion_tenant_id_value_set_id_value_set"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_value_set_expansion")),
    )
    op.create_index(
        "ix_value_set_expansion_tenant_id_value_set_id",
        "value_set_expansion",
        ["tenant_id", "value_set_id", "id"],
        unique=False,
    )
    op.create_table(
        "value_set_version",
        sa.Column("value_set_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("compose", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "value_set_id"],
            ["value_set.tenant_id", "value_set.id"],
            name=op.f("fk_value_set_version_tenant_id_value_set_id_value_set"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_value_set_version")),
        sa.UniqueConstraint(
            "tenant_id",
            "value_set_id",
            "number",
            name=op.f("uq_value_set_version_tenant_id_value_set_id_number"),
        ),
    )
    for table in ("value_set", "value_set_expansion", "value_set_version"):
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC"
            f" USING ({_TENANT}) WITH CHECK ({_TENANT})"
        )


def downgrade() -> None:
    op.drop_table("value_set_version")
    op.drop_table("value_set_expansion")
    op.drop_table("value_set")
