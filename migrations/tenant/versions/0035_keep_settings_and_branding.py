"""Keep settings and branding."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"
_TEXTS = {
    "tenant_setting": {
        "locale": 35,
        "contact_name": 200,
        "contact_email": 254,
        "contact_phone": 40,
    },
    "tenant_branding": {
        "product_name": 80,
        "primary_color": 7,
        "on_primary_color": 7,
        "accent_color": 7,
        "logo_digest": 64,
        "domain": 253,
        "domain_token": 64,
    },
}


def upgrade() -> None:
    op.create_table(
        "tenant_setting",
        *_texts("tenant_setting"),
        sa.Column("audit_retention_years", sa.Integer(), nullable=True),
        *_common(),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "audit_retention_years BETWEEN 1 AND 100",
            name=op.f("ck_tenant_setting_audit_retention_years"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_tenant_setting")),
    )
    op.create_table(
        "tenant_branding",
        *_texts("tenant_branding"),
        *_common(),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_tenant_branding")),
    )
    for table in ("tenant_setting", "tenant_branding"):
        op.execute(
            f"CREATE TRIGGER grow_version BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION grow_version()"
        )
    op.create_table(
        "tenant_logo",
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_tenant_logo")),
    )
    for table in ("tenant_setting", "tenant_branding", "tenant_logo"):
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC"
            f" USING ({_TENANT}) WITH CHECK ({_TENANT})"
        )


def downgrade() -> None:
    op.drop_table("tenant_logo")
    op.drop_table("tenant_branding")
    op.drop_table("tenant_setting")


def _texts(table: str) -> list[sa.Column[str]]:
    return [
        sa.Column(name, sa.String(length=length), nullable=True)
        for name, length in _TEXTS[table].items()
    ]


def _common() -> list[sa.Column[object]]:
    moments = [
        sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
        for name in ("created_at", "updated_at")
    ]
    return [
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *moments,
    ]
