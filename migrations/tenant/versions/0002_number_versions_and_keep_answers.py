"""Number the versions of rows, and keep answers by their idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VERSIONED = ("site", "study", "patient", "import_job")
IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "CREATE FUNCTION grow_version() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$"
    )
    op.execute("REVOKE EXECUTE ON FUNCTION grow_version() FROM PUBLIC")
    for table in VERSIONED:
        op.add_column(
            table, sa.Column("version", sa.BigInteger(), server_default="1", nullable=False)
        )
        op.execute(
            f"CREATE TRIGGER grow_version BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION grow_version()"
        )
    op.create_table(
        "idempotency_key",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.String(length=2000), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_idempotency_key")),
        sa.UniqueConstraint(
            "tenant_id", "member_id", "operation", "key", name="uq_idempotency_key_use"
        ),
    )
    op.create_index(
        "ix_idempotency_key_tenant_id_created_at", "idempotency_key", ["tenant_id", "created_at"]
    )
    op.execute(
        "CREATE POLICY tenant_rows ON idempotency_key TO PUBLIC"
        f" USING ({IS_CURRENT_TENANT}) WITH CHECK ({IS_CURRENT_TENANT})"
    )


def downgrade() -> None:
    op.drop_table("idempotency_key")
    for table in reversed(VERSIONED):
        op.execute(f"DROP TRIGGER grow_version ON {table}")
        op.drop_column(table, "version")
    op.execute("DROP FUNCTION grow_version()")
