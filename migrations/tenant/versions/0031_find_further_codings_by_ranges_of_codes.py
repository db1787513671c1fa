"""Find further codings by ranges of codes, as the first codings are."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# So a range of codes is a prefix, whatever the collation of the database.
_CODE = sa.text('code COLLATE "C"')


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_record_coding_code",
            "record_coding",
            ["tenant_id", _CODE, "record_id"],
            postgresql_include=["system"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "ix_record_coding_tenant_id_code",
            table_name="record_coding",
            postgresql_concurrently=True,
            if_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_record_coding_tenant_id_code",
            "record_coding",
            ["tenant_id", "code", "record_id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "ix_record_coding_code",
            table_name="record_coding",
            postgresql_concurrently=True,
            if_exists=True,
        )
