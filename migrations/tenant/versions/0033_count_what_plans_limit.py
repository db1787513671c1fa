"""Count what plans limit."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"

# Arguments of the trigger: the quota, and what a row counts.
# A quota with a limit has an exact count in quota_use: a row with `most`, plus the rows without it,
# which say what was removed since. So a deletion waits for nobody, and adds a row.
# Writers that add take turns if the tenant has a limit: each sees the count of those before it.
# Writers without a limit share the lock. They do not count, so they remove the count; the next
# writer with a limit counts all rows. The statement that does so also removes what was noted of
# deletions. It has one snapshot, so a deletion is neither missed nor counted twice.
# A trial is rolled back. It lets no other writer wait, and counts all rows, also its own.
# A transaction that does not say what its tenant may have is bound by the limit of before it.
# Statements without EXECUTE are planned once in a session. They name no schema, so the trigger's
# own schema has to be first in the search path.
_COUNT_ROWS = """
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $function$
DECLARE
    counted text := TG_ARGV[0];
    of_one_row text := TG_ARGV[1];
    today timestamptz := CASE WHEN TG_ARGV[0] LIKE '%_per_day'
        THEN date_trunc('day', now(), 'UTC') END;
    is_trial boolean := coalesce(current_setting('trially.is_trial', true) = 'on', false);
    former_path text := current_setting('search_path');
    tenants uuid[];
    amounts bigint[];
    setting text;
    limited_to bigint;
    total bigint;
    turn bigint;
BEGIN
    IF TG_OP = 'INSERT' AND of_one_row = '1' THEN
        SELECT array_agg(tenant_id), array_agg(amount) INTO tenants, amounts
        FROM (SELECT tenant_id, count(*) AS amount FROM changed GROUP BY tenant_id) AS rows;
    ELSE
        EXECUTE 'SELECT array_agg(tenant_id), array_agg(amount)
            FROM (SELECT tenant_id, sum(amount)::bigint AS amount FROM ('
            || CASE WHEN TG_OP <> 'INSERT' THEN
                'SELECT tenant_id, -' || of_one_row || ' AS amount FROM former' ELSE '' END
            || CASE WHEN TG_OP = 'UPDATE' THEN ' UNION ALL ' ELSE '' END
            || CASE WHEN TG_OP <> 'DELETE' THEN
                'SELECT tenant_id, ' || of_one_row || ' AS amount FROM changed' ELSE '' END
            || ') AS rows GROUP BY tenant_id) AS sums' INTO tenants, amounts;
    END IF;
    IF current_schema() IS DISTINCT FROM TG_TABLE_SCHEMA THEN
        PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA), true);
    END IF;
    FOR each IN 1 .. coalesce(cardinality(tenants), 0) LOOP
        CONTINUE WHEN amounts[each] = 0
            OR (is_trial AND (today IS NOT NULL OR amounts[each] < 0));
        IF amounts[each] < 0 THEN
            INSERT INTO quota_use (tenant_id, id, quota, used)
            VALUES (tenants[each], gen_random_uuid(), counted, amounts[each]);
            CONTINUE;
        END IF;
        setting := CASE WHEN tenants[each]::text = current_setting('trially.tenant_id', true)
            THEN nullif(current_setting('trially.quotas', true), '') END;
        limited_to := substring(setting FROM ' ' || counted || '=([0-9]+)');
        turn := hashtextextended(counted || tenants[each], 0);
        IF setting IS NULL THEN
            limited_to := (SELECT most FROM quota_use
                WHERE tenant_id = tenants[each] AND quota = counted AND most IS NOT NULL);
        END IF;
        IF limited_to IS NULL THEN
            PERFORM pg_advisory_xact_lock_shared(turn);
            DELETE FROM quota_use WHERE tenant_id = tenants[each] AND quota = counted
                AND (most IS NOT NULL OR id = ANY (ARRAY(SELECT removed.id FROM quota_use AS removed
                    WHERE removed.tenant_id = tenants[each] AND removed.quota = counted
                    AND removed.most IS NULL LIMIT 1000 FOR UPDATE SKIP LOCKED)));
            CONTINUE;
        END IF;
        total := NULL;
        IF NOT is_trial THEN
            PERFORM pg_advisory_xact_lock(turn);
            WITH removed AS (
                DELETE FROM quota_use WHERE tenant_id = tenants[each] AND quota = counted
                AND most IS NULL AND EXISTS (SELECT FROM quota_use AS kept
                    WHERE kept.tenant_id = tenants[each] AND kept.quota = counted
                    AND kept.most IS NOT NULL)
                RETURNING used)
            UPDATE quota_use SET most = limited_to,
                used = used + amounts[each]
                    + coalesce((SELECT sum(removed.used)::bigint FROM removed), 0)
            WHERE tenant_id = tenants[each] AND quota = counted AND most IS NOT NULL
            AND counted_from IS NOT DISTINCT FROM today RETURNING used INTO total;
        END IF;
        IF total IS NULL THEN
            EXECUTE format('WITH removed AS (
                    DELETE FROM quota_use WHERE tenant_id = $1 AND quota = $2 AND most IS NULL
                    AND NOT $3)
                SELECT %s', CASE WHEN counted = 'storage_bytes' THEN
                    '(SELECT coalesce(sum(file_size), 0) FROM study_document WHERE tenant_id = $1)
                    + (SELECT coalesce(sum(octet_length(content)), 0)
                    FROM document_page WHERE tenant_id = $1)'
                ELSE format('(SELECT count(*) FROM %I WHERE tenant_id = $1 %s)', TG_TABLE_NAME,
                    CASE WHEN today IS NOT NULL THEN 'AND created_at >= $4' ELSE '' END) END)
                INTO total USING tenants[each], counted, is_trial, today;
            IF NOT is_trial THEN
                INSERT INTO quota_use (tenant_id, id, quota, used, most, counted_from)
                VALUES (tenants[each], gen_random_uuid(), counted, total, limited_to, today)
                ON CONFLICT (tenant_id, quota) WHERE most IS NOT NULL DO UPDATE SET
                used = excluded.used, most = excluded.most, counted_from = excluded.counted_from;
            END IF;
        END IF;
        IF total > limited_to THEN
            RAISE SQLSTATE 'TR005' USING MESSAGE = 'quota exceeded', DETAIL = json_build_object(
                'quota', counted, 'most', limited_to, 'used', total - amounts[each]);
        END IF;
    END LOOP;
    IF current_setting('search_path') <> former_path THEN
        PERFORM set_config('search_path', former_path, true);
    END IF;
    RETURN NULL;
END
$function$;
REVOKE EXECUTE ON FUNCTION count_rows() FROM PUBLIC
"""

_ALL = ("INSERT", "UPDATE", "DELETE")
_COUNTED = (
    ("patient", "patients", "1", ("INSERT", "DELETE")),
    ("member", "members", "1", ("INSERT", "DELETE")),
    ("study", "studies", "1", ("INSERT", "DELETE")),
    ("study_document", "storage_bytes", "file_size", _ALL),
    ("document_page", "storage_bytes", "octet_length(content)", _ALL),
    ("import_job", "imports_per_day", "1", ("INSERT",)),
)
_ROWS = {
    "INSERT": "NEW TABLE AS changed",
    "UPDATE": "OLD TABLE AS former NEW TABLE AS changed",
    "DELETE": "OLD TABLE AS former",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "quota_use",
        sa.Column("quota", sa.String(length=40), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=True),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_quota_use")),
    )
    op.create_index(
        "uq_quota_use_tenant_id_quota",
        "quota_use",
        ["tenant_id", "quota"],
        unique=True,
        postgresql_where=sa.text("most IS NOT NULL"),
    )
    op.create_index(
        "ix_quota_use_removed",
        "quota_use",
        ["tenant_id", "quota"],
        postgresql_where=sa.text("most IS NULL"),
    )
    op.execute(
        f"CREATE POLICY tenant_rows ON quota_use TO PUBLIC USING ({_TENANT}) WITH CHECK ({_TENANT})"
    )
    op.execute(_COUNT_ROWS)
    for table, quota, of_one_row, events in _COUNTED:
        for event in events:
            op.execute(
                f"CREATE TRIGGER count_{event.lower()} AFTER {event} ON {table}"
                f" REFERENCING {_ROWS[event]} FOR EACH STATEMENT"
                f" EXECUTE FUNCTION count_rows('{quota}', '{of_one_row}')"
            )


def downgrade() -> None:
    for table, _, _, events in _COUNTED:
        for event in events:
            op.execute(f"DROP TRIGGER count_{event.lower()} ON {table}")
    op.execute("DROP FUNCTION count_rows()")
    op.drop_table("quota_use")
