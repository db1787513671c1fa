"""Search names in their index alone: it has all columns that a search reads."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _replace("ix_patient_search_term_lookup", "ix_patient_search_term_words", "record_id")


def downgrade() -> None:
    _replace("ix_patient_search_term_words", "ix_patient_search_term_lookup")


def _replace(former: str, name: str, *more: str) -> None:
    op.create_index(
        name,
        "patient_search_term",
        ["tenant_id", "kind", "term", "patient_id"],
        postgresql_include=["field", "use", *more],
    )
    op.drop_index(former, table_name="patient_search_term")
