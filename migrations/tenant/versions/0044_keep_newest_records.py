"""Keep when each patient's newest record began, for the question whose records cover a day."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

# A record that criteria use: the conditions USED and NOT_REFUTED of matching.
_VISITED = (
    "ARRAY['arrived'::text, 'completed'::text, 'discharged'::text, 'finished'::text,"
    " 'in-progress'::text, 'on-hold'::text, 'onleave'::text, 'triaged'::text]"
)
_NOT_HAPPENED = (
    "ARRAY['cancelled'::text, 'declined'::text, 'draft'::text, 'entered-in-error'::text,"
    " 'in-error'::text, 'intended'::text, 'not-done'::text, 'not-given'::text, 'not-taken'::text,"
    " 'planned'::text, 'preparation'::text, 'proposed'::text, 'registered'::text]"
)
_COUNTS = (
    "NOT entered_in_error AND withdrawn_at IS NULL AND date_problem IS NULL AND NOT negated"
    " AND focus IS NULL"
    " AND (verification_status IS NULL OR verification_status <> 'entered-in-error')"
    " AND (intent IS NULL OR intent::text <> ALL (ARRAY['option'::text, 'proposal'::text]))"
    f" AND CASE type WHEN 'encounter' THEN status::text = ANY ({_VISITED})"
    f" ELSE (status IS NULL OR status::text <> ALL ({_NOT_HAPPENED})) END"
    " AND (verification_status IS NULL OR verification_status <> 'refuted')"
)

_EXISTS = """WHERE EXISTS (
            SELECT FROM %1$I.patient
            WHERE patient.tenant_id = patients.tenant_id AND patient.id = patients.patient_id
        )
        ORDER BY patient_id"""

# A new patient has no records. Of another patient whose row is missing, they are not known.
_NOTE_PATIENTS = f"""
        INSERT INTO %1$I.match_subject AS subject (tenant_id, id, patient_id, newest_known)
        SELECT tenant_id, gen_random_uuid(), patient_id, %2$L = 'INSERT'
        FROM (SELECT tenant_id, id AS patient_id FROM changed) AS patients
        {_EXISTS}
        ON CONFLICT (tenant_id, patient_id) DO UPDATE SET change_number = NULL"""

# The newest record may have been one of those that were changed or deleted. Then it is not known.
# Else it can only become a newer one.
_NOTE_RECORDS = f"""
        INSERT INTO %1$I.match_subject AS subject
            (tenant_id, id, patient_id, newest_at, newest_precision)
        SELECT tenant_id, gen_random_uuid(), patient_id, newest_at, newest_precision
        FROM (
            SELECT DISTINCT ON (tenant_id, patient_id) tenant_id, patient_id,
                CASE WHEN {_COUNTS} THEN start_at END AS newest_at,
                start_precision AS newest_precision
            FROM changed
            ORDER BY tenant_id, patient_id, newest_at DESC NULLS LAST
        ) AS patients
        {_EXISTS}
        ON CONFLICT (tenant_id, patient_id) DO UPDATE SET change_number = NULL,
            newest_known = subject.newest_known AND (%2$L = 'INSERT'
                OR excluded.newest_at IS NULL
                OR coalesce(excluded.newest_at < subject.newest_at, false)),
            newest_precision = CASE
                WHEN coalesce(excluded.newest_at <= subject.newest_at, excluded.newest_at IS NULL)
                THEN subject.newest_precision ELSE excluded.newest_precision
            END,
            newest_at = greatest(subject.newest_at, excluded.newest_at)"""


_FUNCTION = """
CREATE OR REPLACE FUNCTION note_changed_patients() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_TABLE_NAME = 'patient' THEN
        EXECUTE format($${of_patients}
            $$, TG_TABLE_SCHEMA, TG_OP);
    ELSE
        EXECUTE format($${of_records}
            $$, TG_TABLE_SCHEMA, TG_OP);
    END IF;
    RETURN NULL;
END
$function$
"""
_FORGET_PATIENTS = """
CREATE OR REPLACE FUNCTION forget_matched_patients() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE format($$
        UPDATE %I.match_subject AS subject SET patient_id = NULL, change_number = NULL{and_records}
        FROM changed WHERE subject.tenant_id = changed.tenant_id AND subject.patient_id = changed.id
        $$, TG_TABLE_SCHEMA);
    RETURN NULL;
END
$function$
"""
_FORMER_FUNCTION = """
CREATE OR REPLACE FUNCTION note_changed_patients() RETURNS trigger LANGUAGE plpgsql AS $function$
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
$function$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "match_subject", sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("match_subject", sa.Column("newest_precision", sa.String(7), nullable=True))
    op.add_column(
        "match_subject",
        sa.Column("newest_known", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.execute(_FUNCTION.format(of_patients=_NOTE_PATIENTS, of_records=_NOTE_RECORDS))
    forgotten = ", newest_at = NULL, newest_precision = NULL, newest_known = true"
    op.execute(_FORGET_PATIENTS.format(and_records=forgotten))


def downgrade() -> None:
    op.execute(_FORMER_FUNCTION)
    op.execute(_FORGET_PATIENTS.format(and_records=""))
    for name in ("newest_known", "newest_precision", "newest_at"):
        op.drop_column("match_subject", name)
