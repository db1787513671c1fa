"""Let tenants encrypt the fields that identify patients."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# A sealed value is longer than what it seals. PostgreSQL rewrites no table for a longer type.
WIDENED = {
    "patient": {
        "mrn": 128,
        "given_name": 200,
        "family_name": 200,
        "phone": 64,
        "email": 320,
    },
    "patient_name": {"given_name": 200, "family_name": 200, "full_name": 200},
    "patient_identifier": {"value": 255},
    "patient_hold": {"reason": 500},
    "waiting_fact": {"patient_key": 1100},
    "import_fault": {"missing_id": 1100},
}


# To encrypt a row changes nothing that a client sees. So the backfill keeps the row's version.
GROW_VERSION = (
    "CREATE OR REPLACE FUNCTION grow_version() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN IF current_setting('trially.keeps_versions', true) = 'yes' THEN"
    " NEW.version := OLD.version; ELSE NEW.version := OLD.version + 1; END IF;"
    " RETURN NEW; END $$"
)
GROW_ALWAYS = (
    "CREATE OR REPLACE FUNCTION grow_version() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$"
)


NAMES = "ix_patient_sort_name"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(GROW_VERSION)
    op.add_column("patient", sa.Column("birth_date_sealed", sa.Text(), nullable=True))
    # PostgreSQL would build the index of an expression again in any case, with casts in it.
    op.drop_index(NAMES, "patient")
    for table, columns in WIDENED.items():
        for column, length in columns.items():
            op.alter_column(table, column, existing_type=sa.String(length=length), type_=sa.Text())
    _index_names()


def downgrade() -> None:
    # The version before cannot read sealed values. It fails for a tenant that encrypts fields.
    op.execute(
        "ALTER TABLE patient ADD CONSTRAINT fields_are_readable CHECK (birth_date_sealed IS NULL)"
    )
    op.drop_column("patient", "birth_date_sealed")
    op.drop_index(NAMES, "patient")
    for table, columns in WIDENED.items():
        for column, length in columns.items():
            op.alter_column(table, column, existing_type=sa.Text(), type_=sa.String(length=length))
    _index_names()
    op.execute(GROW_ALWAYS)


def _index_names() -> None:
    names = ("lower(coalesce(family_name, ''))", "lower(coalesce(given_name, ''))")
    op.create_index(NAMES, "patient", [sa.text(each) for each in ("tenant_id", *names, "id")])
