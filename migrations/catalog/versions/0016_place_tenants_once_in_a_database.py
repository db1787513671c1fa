"""Let a tenant have one placement in a database: the guard has one row for each tenant."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NAME = "uq_placement_tenant_id_server_id_database"


def upgrade() -> None:
    # A tenant that came back into a shared database had two placements there. The former one has
    # no rows of its own: removing it in time would have removed those of the present one.
    op.execute(
        "DELETE FROM placement AS former WHERE NOT is_active AND EXISTS ("
        "SELECT FROM placement AS present WHERE present.is_active"
        " AND present.tenant_id = former.tenant_id AND present.server_id = former.server_id"
        " AND present.database = former.database)"
    )
    op.create_index(NAME, "placement", ["tenant_id", "server_id", "database"], unique=True)


def downgrade() -> None:
    op.drop_index(NAME, "placement")
