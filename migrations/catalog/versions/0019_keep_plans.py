"""Keep plans."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TIMES = ("created_at", "updated_at")


def upgrade() -> None:
    op.create_table(
        "plan",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=200), server_default="", nullable=False),
        _json("tiers", "'[]'::jsonb"),
        _json("limits", "'{}'::jsonb"),
        sa.Column("features", postgresql.JSONB(none_as_null=True), nullable=True),
        *map(_moment, _TIMES),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_plan")),
    )
    op.create_table(
        "plan_override",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=True),
        sa.Column("is_on", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        *map(_moment, _TIMES),
        sa.CheckConstraint("most >= 0", name=op.f("ck_plan_override_most")),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenant.id"],
            name=op.f("fk_plan_override_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("pk_plan_override")),
    )
    for table in ("plan", "plan_override"):
        op.execute(
            f"CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION note_change()"
        )
    # A plan that tenants have already was only a name. It stays without limits.
    op.execute(
        "INSERT INTO plan (name, description)"
        " SELECT DISTINCT plan, 'As before there were limits.' FROM tenant"
    )
    op.execute(
        """
        INSERT INTO plan (name, description, tiers, limits, features) VALUES
        ('standard', 'As before there were limits.', '[]', '{}', NULL),
        ('free', 'To try trially.', '["pooled_rows"]',
            '{"patients": 500, "members": 5, "studies": 3, "storage_bytes": 1000000000,
              "imports_per_day": 20, "api_keys": 2, "requests_per_minute": 300,
              "concurrent_requests": 4, "concurrent_jobs": 1}', '[]'),
        ('pro', 'For sites and small sponsors.', '["own_schema", "pooled_rows"]',
            '{"patients": 50000, "members": 100, "studies": 100, "storage_bytes": 100000000000,
              "imports_per_day": 500, "api_keys": 20, "requests_per_minute": 6000,
              "concurrent_requests": 16, "concurrent_jobs": 4}',
            '["exports", "matching", "registry_imports", "value_sets"]'),
        ('enterprise', 'For health systems and contract research organisations.', '[]', '{}', NULL)
        ON CONFLICT (name) DO NOTHING
        """
    )
    # The next migration checks it, because a check in this transaction would hold its locks.
    op.create_foreign_key(
        op.f("fk_tenant_plan_plan"),
        "tenant",
        "plan",
        ["plan"],
        ["name"],
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint("fk_tenant_plan_plan", "tenant", type_="foreignkey")
    op.drop_table("plan_override")
    op.drop_table("plan")


def _json(name: str, default: str) -> sa.Column[object]:
    return sa.Column(
        name,
        postgresql.JSONB(astext_type=sa.Text()),
        server_default=sa.text(default),
        nullable=False,
    )


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )
