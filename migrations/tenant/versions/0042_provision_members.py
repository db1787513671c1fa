"""Provision members."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"
_TABLES = ("provisioning_setting", "scim_user", "scim_group", "scim_group_user")
_VERSIONED = ("provisioning_setting", "scim_user", "scim_group")


def _ids() -> list[sa.Column]:
    return [sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", "id")]


def _stamps() -> list[sa.Column]:
    return [
        sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
        for name in ("created_at", "updated_at")
    ]


def _text(name: str, length: int, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _json(name: str) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "provisioning_setting",
        _text("issuer", 255),
        sa.Column("linked_by", sa.String(length=20), server_default="email", nullable=False),
        *_ids(),
        *_stamps(),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_provisioning_setting")),
    )
    op.create_table(
        "scim_user",
        _text("user_name", 255, nullable=False),
        _text("user_name_key", 1000, nullable=False),
        _text("external_id", 255),
        _text("display_name", 200),
        _json("details"),
        _text("email", 320),
        _json("email_keys"),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        *_ids(),
        *_stamps(),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_scim_user")),
    )
    op.create_index(
        "uq_scim_user_user_name_key", "scim_user", ["tenant_id", "user_name_key"], unique=True
    )
    for column in ("external_id", "member_id"):
        op.create_index(
            f"uq_scim_user_{column}",
            "scim_user",
            ["tenant_id", column],
            unique=True,
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index("ix_scim_user_tenant_id_email", "scim_user", ["tenant_id", "email"])
    op.create_table(
        "scim_group",
        _text("display_name", 255, nullable=False),
        _text("display_name_key", 1000, nullable=False),
        _text("external_id", 255),
        _text("role", 20),
        _text("phi_level", 10),
        sa.Column("site_ids", postgresql.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="100", nullable=False),
        sa.Column("mapped_by", sa.Uuid(), nullable=True),
        *_ids(),
        *_stamps(),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_scim_group")),
    )
    op.create_index(
        "uq_scim_group_display_name_key",
        "scim_group",
        ["tenant_id", "display_name_key"],
        unique=True,
    )
    op.create_index(
        "ix_scim_group_tenant_id_external_id", "scim_group", ["tenant_id", "external_id"]
    )
    op.create_table(
        "scim_group_user",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        *_ids(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "group_id"],
            ["scim_group.tenant_id", "scim_group.id"],
            name=op.f("fk_scim_group_user_tenant_id_group_id_scim_group"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["scim_user.tenant_id", "scim_user.id"],
            name=op.f("fk_scim_group_user_tenant_id_user_id_scim_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_scim_group_user")),
    )
    op.create_index(
        "uq_scim_group_user_group_id",
        "scim_group_user",
        ["tenant_id", "group_id", "user_id"],
        unique=True,
    )
    op.create_index(
        "ix_scim_group_user_tenant_id_user_id", "scim_group_user", ["tenant_id", "user_id"]
    )
    for table in _VERSIONED:
        op.execute(
            f"CREATE TRIGGER grow_version BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION grow_version()"
        )
    for table in _TABLES:
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC USING ({_TENANT})"
            f" WITH CHECK ({_TENANT})"
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
