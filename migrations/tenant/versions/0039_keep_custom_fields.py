"""Keep custom fields."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"
_WITH_VALUES = ("patient", "study", "site")


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _json(name: str, default: str) -> sa.Column:
    kind = postgresql.JSONB(astext_type=sa.Text())
    return sa.Column(name, kind, server_default=sa.text(f"'{default}'::jsonb"), nullable=False)


def _time(name: str) -> sa.Column:
    now = sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=now, nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "custom_field",
        sa.Column("resource", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        _json("choices", "[]"),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("phi", sa.String(length=10), nullable=False),
        _flag("is_archived"),
        _flag("is_used"),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _time("created_at"),
        _time("updated_at"),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "resource IN ('patient', 'study', 'site')", name=op.f("ck_custom_field_resource")
        ),
        sa.CheckConstraint(
            "type IN ('text', 'number', 'boolean', 'date', 'choice')",
            name=op.f("ck_custom_field_type"),
        ),
        sa.CheckConstraint("phi IN ('none', 'identifier')", name=op.f("ck_custom_field_phi")),
        sa.CheckConstraint(
            "phi = 'none' OR resource = 'patient'", name=op.f("ck_custom_field_identifier")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_custom_field")),
        sa.UniqueConstraint(
            "tenant_id", "resource", "name", name=op.f("uq_custom_field_tenant_id_resource_name")
        ),
    )
    op.execute(
        f"CREATE POLICY tenant_rows ON custom_field TO PUBLIC USING ({_TENANT})"
        f" WITH CHECK ({_TENANT})"
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON custom_field"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    for table in _WITH_VALUES:
        op.add_column(table, _json("custom", "{}"))


def downgrade() -> None:
    for table in _WITH_VALUES:
        op.drop_column(table, "custom")
    op.drop_table("custom_field")
