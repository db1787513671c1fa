"""Number the changes of patients, and keep what matching has read."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"

# A patient who is changed while another transaction gives numbers must not keep the number: the row
# is locked, and loses its number at the end. So the row is written even if it has none already.
# The records of a deleted patient are deleted after the patient: they must not add the row again.
_NOTE_CHANGES = """
CREATE FUNCTION note_changed_patients() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE format($$
        INSERT INTO %1$I.match_subject AS subject (tenant_id, id, patient_id)
        SELECT tenant_id, gen_random_uuid(), patient_id
        FROM (SELECT DISTINCT tenant_id, %2$I AS patient_id FROM changed) AS patients
        WHERE EXISTS (
            SELECT FROM %1$I.patient
            WHERE patient.tenant_id = patients.tenant_id AND patient.id = patients.patient_id
        )
        ORDER BY patient_id
        ON CONFLICT (tenant_id, patient_id) DO UPDATE SET change_number = NULL
        $$, TG_TABLE_SCHEMA, TG_ARGV[0]);
    RETURN NULL;
END
$function$;
REVOKE EXECUTE ON FUNCTION note_changed_patients() FROM PUBLIC
"""

_FORGET_PATIENTS = """
CREATE FUNCTION forget_matched_patients() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE format($$
        UPDATE %I.match_subject AS subject SET patient_id = NULL, change_number = NULL
        FROM changed WHERE subject.tenant_id = changed.tenant_id AND subject.patient_id = changed.id
        $$, TG_TABLE_SCHEMA);
    RETURN NULL;
END
$function$;
REVOKE EXECUTE ON FUNCTION forget_matched_patients() FROM PUBLIC
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "match_subject",
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("ordinal", sa.Integer(), nullable=True),
        sa.Column("change_number", sa.BigInteger(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_match_subject")),
        sa.UniqueConstraint(
            "tenant_id", "patient_id", name=op.f("uq_match_subject_tenant_id_patient_id")
        ),
        sa.UniqueConstraint(
            "tenant_id", "ordinal", name=op.f("uq_match_subject_tenant_id_ordinal")
        ),
    )
    op.create_index(
        "ix_match_subject_unnumbered",
        "match_subject",
        ["tenant_id"],
        postgresql_where=sa.text("change_number IS NULL"),
    )
    op.create_index(
        "ix_match_subject_change_number", "match_subject", ["tenant_id", "change_number"]
    )
    op.create_table(
        "match_clock",
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("next_ordinal", sa.Integer(), nullable=False),
        sa.Column("matched_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("matched_on", sa.Date(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_match_clock")),
    )
    op.create_table(
        "match_frame",
        sa.Column("selector", sa.LargeBinary(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("used_on", sa.Date(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_match_frame")),
        sa.UniqueConstraint(
            "tenant_id", "selector", name=op.f("uq_match_frame_tenant_id_selector")
        ),
    )
    op.create_table(
        "match_leaf",
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("used_on", sa.Date(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_match_leaf")),
        sa.UniqueConstraint(
            "tenant_id", "leaf", "as_of", name=op.f("uq_match_leaf_tenant_id_leaf")
        ),
    )
    for table in ("match_subject", "match_clock", "match_frame", "match_leaf"):
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC"
            f" USING ({_TENANT}) WITH CHECK ({_TENANT})"
        )
    op.execute(_NOTE_CHANGES)
    op.execute(_FORGET_PATIENTS)
    for table, column in (("patient", "id"), ("clinical_fact", "patient_id")):
        for event, rows in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            if (table, event) != ("patient", "DELETE"):
                op.execute(_trigger(table, event, rows, f"note_changed_patients('{column}')"))
    op.execute(_trigger("patient", "DELETE", "OLD", "forget_matched_patients()"))
    # A record that moves to another patient changes both.
    former = _trigger("clinical_fact", "UPDATE", "OLD", "note_changed_patients('patient_id')")
    op.execute(former.replace("note_update", "note_update_of_former"))


def downgrade() -> None:
    for table in ("patient", "clinical_fact"):
        for event in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER note_{event} ON {table}")
    op.execute("DROP TRIGGER note_update_of_former ON clinical_fact")
    op.execute("DROP FUNCTION note_changed_patients()")
    op.execute("DROP FUNCTION forget_matched_patients()")
    for table in ("match_leaf", "match_frame", "match_clock", "match_subject"):
        op.drop_table(table)


def _trigger(table: str, event: str, rows: str, function: str) -> str:
    return (
        f"CREATE TRIGGER note_{event.lower()} AFTER {event} ON {table}"
        f" REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {function}"
    )
