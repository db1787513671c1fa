"""Find encounters that had not ended by a day from an index, for criteria about recent visits."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_INDEX = "ix_clinical_fact_visited"

_ANY = (
    "NOT entered_in_error AND withdrawn_at IS NULL AND date_problem IS NULL AND NOT negated"
    " AND focus IS NULL"
)
_KNOWN = "ARRAY['day'::text, 'instant'::text]"
_IS_ROUGH = f"({{0}}_precision IS NOT NULL AND {{0}}_precision::text <> ALL ({_KNOWN}))"
# Encounters whose dates are not known to the day come last.
_LAST_AT = (
    f"(CASE WHEN start_at IS NULL OR {_IS_ROUGH.format('start')}"
    f" OR (end_at IS NOT NULL AND {_IS_ROUGH.format('end')})"
    " THEN 'infinity'::timestamptz ELSE greatest(start_at, end_at) END)"
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            _INDEX,
            "clinical_fact",
            ["tenant_id", sa.text(_LAST_AT)],
            postgresql_include=[
                *("patient_id", "code", "start_at", "start_precision", "end_at", "end_precision"),
                *("category", "intent", "status", "clinical_status", "verification_status"),
                "source_type",
            ],
            # Always true. So PostgreSQL uses the index only if a query asks for the last moment.
            postgresql_where=sa.text(f"type = 'encounter' AND {_ANY} AND {_LAST_AT} IS NOT NULL"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            _INDEX, table_name="clinical_fact", postgresql_concurrently=True, if_exists=True
        )
