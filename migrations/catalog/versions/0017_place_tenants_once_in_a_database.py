"""Let a tenant have one placement in a database: the guard has one row for each tenant."""

from alembic import op

revision = "0017"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME = "uq_placement_tenant_id_server_id_database"


def upgrade() -> None:
    op.create_unique_constraint(NAME, "placement", ["tenant_id", "server_id", "database"])


def downgrade() -> None:
    op.drop_constraint(NAME, "placement", type_="unique")
