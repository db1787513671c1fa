"""Keep API keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"
_ROWS = {"INSERT": "NEW TABLE AS changed", "DELETE": "OLD TABLE AS former"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "api_key",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("phi_level", sa.String(length=10), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
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
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_api_key_digest")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["member.tenant_id", "member.id"],
            name=op.f("fk_api_key_tenant_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_api_key")),
    )
    op.create_index("ix_api_key_tenant_id_member_id", "api_key", ["tenant_id", "member_id"])
    op.create_table(
        "api_key_use",
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["api_key.tenant_id", "api_key.id"],
            name=op.f("fk_api_key_use_tenant_id_id_api_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_api_key_use")),
    )
    for table in ("api_key", "api_key_use"):
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC USING ({_TENANT})"
            f" WITH CHECK ({_TENANT})"
        )
    for event, rows in _ROWS.items():
        op.execute(
            f"CREATE TRIGGER count_{event.lower()} AFTER {event} ON api_key REFERENCING {rows}"
            " FOR EACH STATEMENT EXECUTE FUNCTION count_rows('api_keys', '1')"
        )


def downgrade() -> None:
    op.drop_table("api_key_use")
    op.drop_table("api_key")
