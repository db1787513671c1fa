"""Keep canaries, with which the walls between tenants prove themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "canary",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("word", sa.String(length=64), nullable=False),
        sa.Column(
            "planted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_canary")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON canary TO PUBLIC"
        f" USING ({IS_CURRENT_TENANT}) WITH CHECK ({IS_CURRENT_TENANT})"
    )


def downgrade() -> None:
    op.drop_table("canary")
