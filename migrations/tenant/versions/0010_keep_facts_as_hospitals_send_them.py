"""Keep unknown dates, local days, negations, intents, details and all codings of records."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

IS_CURRENT_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def fact_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("negated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("intent", sa.String(length=128), nullable=True),
        sa.Column("focus", sa.String(length=1000), nullable=True),
        sa.Column("start_offset", sa.SmallInteger(), nullable=True),
        sa.Column("start_age", sa.String(length=16), nullable=True),
        sa.Column("end_offset", sa.SmallInteger(), nullable=True),
        sa.Column("end_age", sa.String(length=16), nullable=True),
        sa.Column("date_problem", sa.String(length=20), nullable=True),
        sa.Column("recorded_offset", sa.SmallInteger(), nullable=True),
        sa.Column("reference_low", sa.Numeric(), nullable=True),
        sa.Column("reference_high", sa.Numeric(), nullable=True),
        sa.Column("reference_text", sa.String(length=1000), nullable=True),
        sa.Column("interpretation", sa.String(length=128), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )


def patient_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("deceased_on", sa.Date(), nullable=True),
        sa.Column("deceased_precision", sa.String(length=7), nullable=True),
        sa.Column("date_problem", sa.String(length=20), nullable=True),
        sa.Column("impossible_dates", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )


TOOK_PLACE = (
    "fact.type = 'encounter' AND NOT fact.entered_in_error AND fact.status IN ('arrived',"
    " 'completed', 'discharged', 'finished', 'in-progress', 'on-hold', 'onleave', 'triaged')"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in fact_columns():
        op.add_column("clinical_fact", column)
    for column in patient_columns():
        op.add_column("patient", column)
    op.add_column(
        "medication",
        sa.Column("other_codings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )
    op.create_index(
        "ix_clinical_fact_ages",
        "clinical_fact",
        ["tenant_id", "patient_id"],
        postgresql_where=sa.text("start_age IS NOT NULL OR end_age IS NOT NULL"),
    )
    op.create_table(
        "record_coding",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("system", sa.String(length=255), nullable=True),
        sa.Column("code", sa.String(length=128), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "record_id"],
            ["clinical_fact.tenant_id", "clinical_fact.id"],
            name=op.f("fk_record_coding_tenant_id_record_id_clinical_fact"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_record_coding")),
    )
    op.create_index(
        "ix_record_coding_tenant_id_code", "record_coding", ["tenant_id", "code", "record_id"]
    )
    op.create_index(
        "ix_record_coding_tenant_id_record_id", "record_coding", ["tenant_id", "record_id", "code"]
    )
    op.execute(
        "CREATE POLICY tenant_rows ON record_coding TO PUBLIC"
        f" USING ({IS_CURRENT_TENANT}) WITH CHECK ({IS_CURRENT_TENANT})"
    )
    _fill()


def downgrade() -> None:
    op.drop_table("record_coding")
    op.drop_index("ix_clinical_fact_ages", "clinical_fact")
    op.drop_column("medication", "other_codings")
    for column in reversed(patient_columns()):
        op.drop_column("patient", column.name)
    for column in reversed(fact_columns()):
        op.drop_column("clinical_fact", column.name)


def _fill() -> None:
    """Fill what follows from stored columns. The next import of a record fills the rest."""
    op.execute(
        "UPDATE clinical_fact SET negated = true"
        " WHERE status IN ('not-done', 'not-taken', 'not-given', 'declined')"
    )
    op.execute(
        "UPDATE clinical_fact SET intent = category, category = NULL"
        " WHERE source_type = 'MedicationRequest' AND category IS NOT NULL"
    )
    op.execute(
        "UPDATE patient SET deceased_on = (deceased_at AT TIME ZONE 'UTC')::date"
        " WHERE deceased_at IS NOT NULL"
    )
    op.execute(
        "INSERT INTO record_coding (tenant_id, id, record_id, system, code)"
        " SELECT DISTINCT ON (fact.tenant_id, fact.id, coding.system, coding.code)"
        " fact.tenant_id, gen_random_uuid(), fact.id, coding.system, coding.code"
        " FROM clinical_fact fact, jsonb_to_recordset("
        " CASE jsonb_typeof(fact.other_codings) WHEN 'array' THEN fact.other_codings"
        " ELSE '[]' END)"
        " AS coding(system text, code text)"
        " WHERE fact.other_codings IS NOT NULL AND coding.code IS NOT NULL"
    )
    op.execute(
        "UPDATE patient SET last_encounter_on = counted.day FROM ("
        " SELECT seen.tenant_id, seen.id, (SELECT max((fact.start_at AT TIME ZONE 'UTC')::date)"
        "  FROM clinical_fact fact WHERE fact.tenant_id = seen.tenant_id"
        f"  AND fact.patient_id = seen.id AND {TOOK_PLACE}) AS day"
        " FROM patient seen WHERE seen.last_encounter_on IS NOT NULL) AS counted"
        " WHERE patient.tenant_id = counted.tenant_id AND patient.id = counted.id"
        " AND patient.last_encounter_on IS DISTINCT FROM counted.day"
    )
