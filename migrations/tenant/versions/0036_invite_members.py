"""Invite members."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "invitation",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("display_name", sa.String(length=200), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("phi_level", sa.String(length=10), nullable=False),
        sa.Column("site_ids", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
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
        sa.CheckConstraint("subject IS NULL OR email IS NULL", name=op.f("ck_invitation_person")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_invitation")),
    )
    op.create_index(
        "uq_invitation_subject",
        "invitation",
        ["tenant_id", "issuer", "subject"],
        unique=True,
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_index(
        "uq_invitation_email",
        "invitation",
        ["tenant_id", "issuer", sa.literal_column("lower(email)")],
        unique=True,
        postgresql_where=sa.text("email IS NOT NULL"),
    )
    op.execute(
        f"CREATE POLICY tenant_rows ON invitation TO PUBLIC USING ({_TENANT})"
        f" WITH CHECK ({_TENANT})"
    )
    op.add_column(
        "member", sa.Column("version", sa.BigInteger(), server_default="1", nullable=False)
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON member"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER grow_version ON member")
    op.drop_column("member", "version")
    op.drop_table("invitation")
