"""Find patients as people type: all names, search terms, and possible duplicates.

The terms of existing patients are made here, by the same code as those of new ones: terms are
derived from the patients' rows, and a newer version of the code makes better ones. Other names than
the one shown come with the next import. Possible duplicates are found by `flask patients
duplicates`.
"""

import orjson
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from uuid_utils.compat import uuid7

from trially.recruiting.search.terms import terms_of

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

AT_A_TIME = 2_000
FIRST = "00000000-0000-0000-0000-000000000000"

NEXT_PATIENTS = """
SELECT tenant_id, id, given_name, family_name, mrn, birth_date, birth_date_precision, phone, email,
    NULL AS names, (SELECT json_agg(identifiers ORDER BY id) FROM (
        SELECT id, value, use, period_end, CASE WHEN type = 'MR' THEN 0 END AS mrn_rank
        FROM patient_identifier
        WHERE patient_identifier.tenant_id = patient.tenant_id
        AND patient_identifier.patient_id = patient.id
    ) AS identifiers) AS identifiers
FROM patient WHERE (tenant_id, id) > (CAST(:tenant_id AS uuid), CAST(:id AS uuid))
ORDER BY tenant_id, id LIMIT :limit
"""
ADD_TERMS = """
INSERT INTO patient_search_term (tenant_id, id, patient_id, kind, field, use, term)
SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r(tenant_id uuid, id uuid, patient_id uuid,
    kind text, field text, use text, term text)
"""
FIND_CURRENT = """
WITH RECURSIVE chain (tenant_id, first_id, id, replaced_by_id) AS (
    SELECT tenant_id, id, id, replaced_by_id FROM patient WHERE replaced_by_id IS NOT NULL
    UNION
    SELECT chain.tenant_id, chain.first_id, patient.id, patient.replaced_by_id
    FROM chain JOIN patient
        ON patient.tenant_id = chain.tenant_id AND patient.id = chain.replaced_by_id
)
UPDATE patient_search_term term SET patient_id = chain.id, record_id = chain.first_id
FROM chain WHERE chain.replaced_by_id IS NULL
AND term.tenant_id = chain.tenant_id AND term.patient_id = chain.first_id
"""
ADD_NAMES = """
INSERT INTO patient_name (tenant_id, id, patient_id, position, given_name, family_name)
SELECT tenant_id, gen_random_uuid(), id, 0, given_name, family_name
FROM patient WHERE source = 'manual'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_tables()
    op.execute(ADD_NAMES)
    index_patients()
    op.execute(FIND_CURRENT)


def index_patients() -> None:
    """Make the terms of all patients, some thousand at a time."""
    connection = op.get_bind()
    last = {"tenant_id": FIRST, "id": FIRST}
    while patients := connection.execute(
        sa.text(NEXT_PATIENTS), {**last, "limit": AT_A_TIME}
    ).all():
        rows = [
            {
                "tenant_id": patient.tenant_id,
                "id": uuid7(),
                "patient_id": patient.id,
                **term._asdict(),
            }
            for patient in patients
            for term in terms_of(patient._asdict())
        ]
        connection.execute(sa.text(ADD_TERMS), {"rows": orjson.dumps(rows).decode()})
        last = {"tenant_id": str(patients[-1].tenant_id), "id": str(patients[-1].id)}


def create_tables() -> None:
    op.create_table(
        "patient_name",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("use", sa.String(length=10), nullable=True),
        sa.Column("given_name", sa.String(length=200), nullable=True),
        sa.Column("family_name", sa.String(length=200), nullable=True),
        sa.Column("full_name", sa.String(length=200), nullable=True),
        sa.Column("period_start", sa.String(length=10), nullable=True),
        sa.Column("period_end", sa.String(length=10), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_name_tenant_id_patient_id_patient"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient_name")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON patient_name TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_index(
        "ix_patient_name_tenant_id_patient_id",
        "patient_name",
        ["tenant_id", "patient_id", "position"],
        unique=False,
    )
    op.create_table(
        "patient_search_term",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("field", sa.String(length=12), nullable=False),
        sa.Column("use", sa.String(length=10), nullable=True),
        sa.Column("term", sa.String(length=100, collation="C"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_search_term_tenant_id_patient_id_patient"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "record_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_patient_search_term_tenant_id_record_id_patient"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient_search_term")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON patient_search_term TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_index(
        "ix_patient_search_term_lookup",
        "patient_search_term",
        ["tenant_id", "kind", "term", "patient_id"],
        unique=False,
        postgresql_include=["field", "use"],
    )
    op.create_index(
        "ix_patient_search_term_tenant_id_patient_id",
        "patient_search_term",
        ["tenant_id", "patient_id"],
        unique=False,
    )
    op.create_index(
        "ix_patient_search_term_record_id",
        "patient_search_term",
        ["tenant_id", "record_id"],
        unique=False,
        postgresql_where=sa.text("record_id IS NOT NULL"),
    )
    op.create_table(
        "possible_duplicate",
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("other_patient_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="open", nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "patient_id <= other_patient_id", name=op.f("ck_possible_duplicate_order")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "other_patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_possible_duplicate_tenant_id_other_patient_id_patient"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_possible_duplicate_tenant_id_patient_id_patient"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_possible_duplicate")),
        sa.UniqueConstraint(
            "tenant_id",
            "patient_id",
            "other_patient_id",
            name=op.f("uq_possible_duplicate_tenant_id_patient_id_other_patient_id"),
        ),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON possible_duplicate TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON possible_duplicate"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    op.create_index(
        "ix_possible_duplicate_state",
        "possible_duplicate",
        ["tenant_id", "state", "score", "id"],
        unique=False,
    )
    op.create_index(
        "ix_possible_duplicate_tenant_id_other",
        "possible_duplicate",
        ["tenant_id", "other_patient_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("possible_duplicate")
    op.drop_table("patient_search_term")
    op.drop_table("patient_name")
