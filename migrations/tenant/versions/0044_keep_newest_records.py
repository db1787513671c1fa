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

# A query of one row in place of EXISTS, so that no plan for many rows compares all patients.
_IS_THERE = """(
            SELECT true FROM patient
            WHERE patient.tenant_id = patients.tenant_id AND patient.id = patients.patient_id
        )"""

# A new patient has no records. Of another patient whose row is missing, they are not known.
_NOTE_PATIENTS = f"""
        INSERT INTO match_subject AS subject (tenant_id, id, patient_id, newest_known)
        SELECT tenant_id, gen_random_uuid(), patient_id, TG_OP = 'INSERT'
        FROM (SELECT tenant_id, id AS patient_id FROM changed) AS patients
        WHERE {_IS_THERE}
        ORDER BY patient_id
        ON CONFLICT (tenant_id, patient_id) DO UPDATE SET change_number = NULL;"""

# The newest record may have been one of those that were changed or deleted. Then it is not known.
# Else it can only become a newer one.
_NOTE_RECORDS = f"""
        INSERT INTO match_subject AS subject
            (tenant_id, id, patient_id, newest_at, newest_precision)
        SELECT tenant_id, gen_random_uuid(), patient_id, newest_at, newest_precision
        FROM (
            SELECT DISTINCT ON (tenant_id, patient_id) tenant_id, patient_id,
                CASE WHEN {_COUNTS} THEN start_at END AS newest_at,
                start_precision AS newest_precision
            FROM changed
            ORDER BY tenant_id, patient_id, newest_at DESC NULLS LAST
        ) AS patients
        WHERE {_IS_THERE}
        ORDER BY patient_id
        ON CONFLICT (tenant_id, patient_id) DO UPDATE SET change_number = NULL,
            newest_known = subject.newest_known AND (TG_OP = 'INSERT'
                OR excluded.newest_at IS NULL
                OR coalesce(excluded.newest_at < subject.newest_at, false)),
            newest_precision = CASE
                WHEN coalesce(excluded.newest_at <= subject.newest_at, excluded.newest_at IS NULL)
                THEN subject.newest_precision ELSE excluded.newest_precision
            END,
            newest_at = greatest(subject.newest_at, excluded.newest_at);"""

# Statements without EXECUTE are planned once in a session. They name no schema, so the trigger's
# own schema has to be first in the search path.
_FUNCTION = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    former_path text := current_setting('search_path');
BEGIN
    IF current_schema() IS DISTINCT FROM TG_TABLE_SCHEMA THEN
        PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);
    END IF;
    {statements}
    IF current_setting('search_path') <> former_path THEN
        PERFORM set_config('search_path', former_path, true);
    END IF;
    RETURN NULL;
END
$function$
"""
_NOTE_CHANGES = f"""IF TG_TABLE_NAME = 'patient' THEN{_NOTE_PATIENTS}
    ELSE{_NOTE_RECORDS}
    END IF;"""
_FORGET = """UPDATE match_subject AS subject
    SET patient_id = NULL, change_number = NULL, newest_at = NULL, newest_precision = NULL,
        newest_known = true
    FROM changed WHERE subject.tenant_id = changed.tenant_id AND subject.patient_id = changed.id;"""

_FORMER_FORGETTING = """
CREATE OR REPLACE FUNCTION forget_matched_patients() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE format($$
        UPDATE %I.match_subject AS subject SET patient_id = NULL, change_number = NULL
        FROM changed WHERE subject.tenant_id = changed.tenant_id AND subject.patient_id = changed.id
        $$, TG_TABLE_SCHEMA);
    RETURN NULL;
END
$function$
"""
_FORMER_NOTING = """
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
    op.execute(_FUNCTION.format(name="note_changed_patients", statements=_NOTE_CHANGES))
    op.execute(_FUNCTION.format(name="forget_matched_patients", statements=_FORGET))


def downgrade() -> None:
    op.execute(_FORMER_NOTING)
    op.execute(_FORMER_FORGETTING)
    for name in ("newest_known", "newest_precision", "newest_at"):
        op.drop_column("match_subject", name)
