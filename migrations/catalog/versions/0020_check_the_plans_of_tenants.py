"""Check the plans of tenants."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE tenant VALIDATE CONSTRAINT fk_tenant_plan_plan")


def downgrade() -> None:
    """Do nothing: a constraint that is checked stays so."""
