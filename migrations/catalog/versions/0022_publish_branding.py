"""Publish branding."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FOLLOWED = ("branding", "tenant_domain")
"""A logo is not: its digest is in the branding."""


def upgrade() -> None:
    op.create_table(
        "branding",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        *(
            sa.Column(
                name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
            )
            for name in ("created_at", "updated_at")
        ),
        _of_tenant("branding"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_branding")),
    )
    op.create_table(
        "branding_logo",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _of_tenant("branding_logo"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_branding_logo")),
    )
    op.create_table(
        "tenant_domain",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("domain", sa.String(length=253), nullable=False),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("checked_at", "verified_at", "expires_at")
        ),
        sa.Column("failure", sa.String(length=20), nullable=True),
        _of_tenant("tenant_domain"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_domain")),
    )
    op.create_index(
        "uq_tenant_domain_held_domain",
        "tenant_domain",
        ["domain"],
        unique=True,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    for table in FOLLOWED:
        op.execute(
            f"CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION note_change()"
        )


def downgrade() -> None:
    op.drop_table("tenant_domain")
    op.drop_table("branding_logo")
    op.drop_table("branding")


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"],
        ["tenant.id"],
        name=op.f(f"fk_{table}_tenant_id_tenant"),
        ondelete="CASCADE",
    )
