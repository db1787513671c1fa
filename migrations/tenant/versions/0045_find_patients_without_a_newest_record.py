"""Find the patients whose newest record is not known, to look it up."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_INDEX = "ix_match_subject_newest_unknown"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            _INDEX,
            "match_subject",
            ["tenant_id"],
            postgresql_where=sa.text("NOT newest_known"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            _INDEX, table_name="match_subject", postgresql_concurrently=True, if_exists=True
        )
