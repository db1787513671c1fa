"""Index the sort keys of lists.

The new indexes of patients replace those of MRNs, names and birth dates. Building an index blocks
writes to its table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEYS = {
    "patient": {
        "name": (
            "lower(coalesce(family_name, ''))",
            "lower(coalesce(given_name, ''))",
        ),
        "birth_date": ("coalesce(birth_date, '0001-01-01'::date)",),
        "mrn": ("mrn",),
        "last_encounter_on": ("coalesce(last_encounter_on, '0001-01-01'::date)",),
        "created_at": ("created_at",),
    },
    "study": {
        "protocol_number": ("lower(protocol_number)",),
        "title": ("lower(title)",),
        "status": ("status",),
        "created_at": ("created_at",),
    },
    "site": {"name": ("lower(name)",), "created_at": ("created_at",)},
    "import_job": {"source": ("lower(source)",), "created_at": ("created_at",)},
    "member": {
        "name": ("lower(coalesce(display_name, ''))",),
        "email": ("lower(coalesce(email, ''))",),
        "role": ("role",),
        "created_at": ("created_at",),
    },
}
REPLACED = {
    "ix_patient_tenant_id_mrn": ("mrn",),
    "ix_patient_tenant_id_family_name": ("lower(family_name)", "lower(given_name)"),
    "ix_patient_tenant_id_birth_date": ("birth_date",),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, keys in KEYS.items():
        for name, expressions in keys.items():
            _create_index(f"ix_{table}_sort_{name}", table, (*expressions, "id"))
    for name in REPLACED:
        op.drop_index(name, "patient")


def downgrade() -> None:
    for name, expressions in REPLACED.items():
        _create_index(name, "patient", expressions)
    for table, keys in KEYS.items():
        for name in keys:
            op.drop_index(f"ix_{table}_sort_{name}", table)


def _create_index(name: str, table: str, expressions: tuple[str, ...]) -> None:
    op.create_index(name, table, [sa.text(each) for each in ("tenant_id", *expressions)])
