"""Read facts for matching from their indexes, which replace the index by type and code.

The planner would keep using the former index for frequent codes, and read each fact from the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_ANY = (
    "NOT entered_in_error AND withdrawn_at IS NULL AND date_problem IS NULL AND NOT negated"
    " AND focus IS NULL"
)
_NOT_HAPPENED = (
    "cancelled",
    "declined",
    "draft",
    "entered-in-error",
    "in-error",
    "intended",
    "not-done",
    "not-given",
    "not-taken",
    "planned",
    "preparation",
    "proposed",
    "registered",
)
# As PostgreSQL prints it, so that the index is the same after a restore from a dump.
_WORDS = ", ".join(f"'{word}'::text" for word in _NOT_HAPPENED)
_HAPPENED = f"(status IS NULL OR status::text <> ALL (ARRAY[{_WORDS}]))"

# So a range of codes is a prefix, whatever the collation of the database.
_CODE = sa.text('code COLLATE "C"')


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_clinical_fact_measured",
            "clinical_fact",
            ["tenant_id", _CODE, "patient_id", sa.text("start_at DESC")],
            postgresql_include=[
                *("code_system", "start_precision", "value_number", "unit", "comparator"),
                *("value_code_system", "value_code", "verification_status", "intent"),
            ],
            postgresql_where=sa.text(f"type = 'observation' AND {_ANY} AND {_HAPPENED}"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.create_index(
            "ix_clinical_fact_coded",
            "clinical_fact",
            ["tenant_id", "type", _CODE, "patient_id"],
            postgresql_include=[
                *("code_system", "start_at", "start_precision", "end_at", "end_precision"),
                *("category", "intent", "status", "clinical_status", "verification_status"),
                "source_type",
            ],
            postgresql_where=sa.text(f"type <> 'observation' AND {_ANY}"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "ix_clinical_fact_tenant_id_type_code",
            table_name="clinical_fact",
            postgresql_concurrently=True,
            if_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_clinical_fact_tenant_id_type_code",
            "clinical_fact",
            ["tenant_id", "type", "code", "patient_id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        for name in ("ix_clinical_fact_measured", "ix_clinical_fact_coded"):
            op.drop_index(
                name, table_name="clinical_fact", postgresql_concurrently=True, if_exists=True
            )
