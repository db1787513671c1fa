"""Say what each member may see."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def upgrade() -> None:
    # A version that does not know the levels adds members who are shown nothing.
    op.add_column(
        "member",
        sa.Column("phi_level", sa.String(length=10), server_default="none", nullable=False),
    )
    op.add_column(
        "member",
        sa.Column("has_all_sites", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )
    op.execute(
        "UPDATE member SET phi_level = CASE role WHEN 'auditor' THEN 'none'"
        " WHEN 'viewer' THEN 'limited' ELSE 'full' END"
    )
    op.create_check_constraint(
        op.f("ck_member_phi_level"), "member", "phi_level IN ('full', 'limited', 'none')"
    )
    op.create_table(
        "member_site",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["member.tenant_id", "member.id"],
            name=op.f("fk_member_site_tenant_id_member_id_member"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "site_id"],
            ["site.tenant_id", "site.id"],
            name=op.f("fk_member_site_tenant_id_site_id_site"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_member_site")),
        sa.UniqueConstraint(
            "tenant_id",
            "member_id",
            "site_id",
            name=op.f("uq_member_site_tenant_id_member_id_site_id"),
        ),
    )
    op.create_index(
        "ix_member_site_tenant_id_site_id", "member_site", ["tenant_id", "site_id"], unique=False
    )
    # The policies stand in every tier; the tier whose tables are shared switches them on.
    op.execute(
        "CREATE POLICY tenant_rows ON member_site TO PUBLIC"
        f" USING ({IS_CURRENT_TENANT}) WITH CHECK ({IS_CURRENT_TENANT})"
    )


def downgrade() -> None:
    op.drop_index("ix_member_site_tenant_id_site_id", table_name="member_site")
    op.drop_table("member_site")
    op.drop_constraint(op.f("ck_member_phi_level"), "member", type_="check")
    op.drop_column("member", "has_all_sites")
    op.drop_column("member", "phi_level")
