"""Record the actions of operators."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

YEARS = range(2026, 2046)
"""The years that have a partition of their own. A prune empties one and leaves it in place."""

FOLLOWED = (
    *("server", "server_password", "secret_key", "shared_database"),
    *("tenant", "tenant_slug", "placement", "tenant_connection", "membership_index"),
    *("token_cut_off", "support_grant"),
)
"""The tables whose changes are recorded by a trigger."""

NEW_ID = """
CREATE FUNCTION new_record_id() RETURNS uuid LANGUAGE sql VOLATILE SET search_path = pg_catalog
AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$
"""
"""A UUID of version 7, which PostgreSQL has from version 18 on."""

ERAS = """
CREATE TABLE operator_era (
    number integer CONSTRAINT pk_operator_era PRIMARY KEY,
    system_identifier bigint NOT NULL CONSTRAINT uq_operator_era_system_identifier UNIQUE,
    begun_at timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION operator_era() RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = catalog, pg_temp AS $$
DECLARE
    here bigint := (SELECT system_identifier FROM pg_control_system());
    found integer := (SELECT number FROM operator_era WHERE system_identifier = here);
BEGIN
    IF found IS NULL THEN
        INSERT INTO operator_era (number, system_identifier)
        SELECT coalesce(max(number), 0) + 1, here FROM operator_era
        ON CONFLICT (system_identifier) DO NOTHING;
        found := (SELECT number FROM operator_era WHERE system_identifier = here);
    END IF;
    RETURN found;
END $$
"""
"""A catalog restored to another cluster has a new era: there, transaction ids are lower."""

ACTIONS = """
CREATE TABLE operator_action (
    id uuid NOT NULL DEFAULT new_record_id(),
    era integer NOT NULL DEFAULT operator_era(),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    written_by varchar NOT NULL DEFAULT session_user,
    stage varchar(10) NOT NULL,
    started uuid,
    action varchar(80) NOT NULL,
    actor varchar NOT NULL,
    host varchar,
    target varchar,
    tenant_id uuid,
    reason varchar,
    outcome varchar(10),
    details jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_operator_action PRIMARY KEY (id),
    CONSTRAINT ck_operator_action_stage CHECK (stage IN ('started', 'finished', 'noted')),
    CONSTRAINT ck_operator_action_outcome CHECK (
        (stage = 'finished') = (outcome IS NOT NULL)
        AND outcome IN ('done', 'failed', 'aborted')
        AND (stage <> 'finished' OR started IS NOT NULL)
    )
) PARTITION BY RANGE (id);
CREATE INDEX ix_operator_action_order ON operator_action (era, transaction_id, id);
CREATE INDEX ix_operator_action_started ON operator_action (started);
CREATE INDEX ix_operator_action_tenant_id ON operator_action (tenant_id, id);
CREATE TABLE operator_action_other PARTITION OF operator_action DEFAULT;
CREATE TABLE operator_seal (
    number bigint NOT NULL CONSTRAINT pk_operator_seal PRIMARY KEY,
    previous bytea NOT NULL,
    columns text[] NOT NULL,
    first text[] NOT NULL,
    last text[] NOT NULL,
    count integer NOT NULL,
    records bytea NOT NULL,
    checksums bytea NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

PARTITION = """
CREATE FUNCTION first_id_of(year integer) RETURNS uuid LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog AS $$
    SELECT (lpad(to_hex((extract(epoch FROM make_timestamptz(year, 1, 1, 0, 0, 0, 'UTC')) * 1000)
        ::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
CREATE FUNCTION create_action_partition(year integer) RETURNS void LANGUAGE plpgsql
SET search_path = catalog, pg_temp AS $$
DECLARE partition text := 'operator_action_' || year;
BEGIN
    EXECUTE format('CREATE TABLE %I PARTITION OF operator_action FOR VALUES FROM (%L) TO (%L)',
        partition, first_id_of(year), first_id_of(year + 1));
    PERFORM only_add_to(partition);
END $$
"""

ONLY_ADDED = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'Records of % are never changed or deleted.', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION only_add_to(name text) RETURNS void LANGUAGE plpgsql
SET search_path = catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = name::regclass AND relispartition) THEN
        EXECUTE format('CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON %I'
            ' FOR EACH ROW EXECUTE FUNCTION refuse_change()', name);
    END IF;
    EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER only_added', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER never_emptied', name);
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM CURRENT_USER', name);
END $$
"""
"""Row triggers of a partitioned table are copied to its partitions, those of TRUNCATE are not."""

GRANTS = """
CREATE TABLE support_grant (
    id uuid NOT NULL CONSTRAINT pk_support_grant PRIMARY KEY,
    tenant_id uuid NOT NULL,
    issuer varchar(255) NOT NULL,
    subject varchar(255) NOT NULL,
    role varchar(20) NOT NULL,
    phi_level varchar(10) NOT NULL,
    reason varchar NOT NULL,
    ticket varchar(80) NOT NULL,
    duration interval NOT NULL,
    requested_by varchar NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    approved_by varchar,
    approved_at timestamptz,
    expires_at timestamptz,
    revoked_by varchar,
    revoked_at timestamptz,
    CONSTRAINT fk_support_grant_tenant_id_tenant FOREIGN KEY (tenant_id) REFERENCES tenant (id),
    CONSTRAINT ck_support_grant_second_person CHECK (approved_by <> requested_by),
    CONSTRAINT ck_support_grant_never_owner CHECK (role <> 'owner'),
    CONSTRAINT ck_support_grant_bounded CHECK (
        duration > interval '0' AND duration <= interval '24 hours'
    ),
    CONSTRAINT ck_support_grant_approval CHECK (
        (approved_by IS NULL) = (approved_at IS NULL)
        AND (approved_by IS NULL) = (expires_at IS NULL)
        AND expires_at <= approved_at + duration
    )
);
CREATE INDEX ix_support_grant_tenant_id ON support_grant (tenant_id, id);
CREATE INDEX ix_support_grant_subject ON support_grant (issuer, subject) WHERE revoked_at IS NULL;
CREATE VIEW support_access AS
    SELECT id, tenant_id, issuer, subject, role, phi_level, requested_by, expires_at,
        xmin::text AS stamp
    FROM support_grant
    WHERE approved_at IS NOT NULL AND revoked_at IS NULL AND expires_at > now();
CREATE FUNCTION support_grants_of(tenant uuid) RETURNS SETOF support_grant LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
    SELECT * FROM support_grant WHERE tenant_id = tenant ORDER BY id DESC LIMIT 1000
$$
"""

CHANGES = """
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = catalog, pg_temp AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN shown_row(to_jsonb(OLD)) ELSE '{}' END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN shown_row(to_jsonb(NEW)) ELSE '{}' END;
    named jsonb := was || becomes;
    begun text := nullif(current_setting('trially.action', true), '');
BEGIN
    IF was = becomes THEN
        RETURN NULL;
    END IF;
    INSERT INTO operator_action (stage, started, action, actor, target, tenant_id, details)
    VALUES (
        'noted',
        begun::uuid,
        TG_TABLE_NAME || ' ' || lower(TG_OP),
        coalesce(nullif(current_setting('trially.actor', true), ''), 'database ' || session_user),
        coalesce(named->>'slug', named->>'name', named->>'connection_id', named->>'subject',
            named->>'fingerprint', named->>'id'),
        coalesce(named->>'tenant_id', CASE WHEN TG_TABLE_NAME = 'tenant' THEN named->>'id' END)
            ::uuid,
        CASE WHEN TG_OP = 'INSERT' THEN '{}'
            ELSE jsonb_build_object('old', differing(was, becomes)) END
        || CASE WHEN TG_OP = 'DELETE' THEN '{}'
            ELSE jsonb_build_object('new', differing(becomes, was)) END
    );
    RETURN NULL;
END $$;
CREATE FUNCTION shown_row(shown jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog AS $$
    SELECT shown - 'created_at' - 'updated_at' - 'sealed' || CASE WHEN shown ? 'sealed'
        THEN jsonb_build_object('sealed_sha256',
            encode(sha256(convert_to(shown->>'sealed', 'UTF8')), 'hex'))
        ELSE '{}' END
$$;
CREATE FUNCTION differing(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(one)
    WHERE NOT other ? key OR other->key <> value
$$
"""
"""The trigger of followed tables. A stored password is shown as the hash of its ciphertext."""


def upgrade() -> None:
    for statements in (NEW_ID, ERAS, ACTIONS, ONLY_ADDED, PARTITION, GRANTS, CHANGES):
        op.execute(statements)
    op.execute(
        "SELECT only_add_to(name) FROM unnest(ARRAY["
        "'operator_action', 'operator_action_other', 'operator_seal', 'operator_era']) AS name"
    )
    op.execute(f"SELECT create_action_partition(y) FROM generate_series({YEARS[0]}, {YEARS[-1]}) y")
    for table in FOLLOWED:
        op.execute(
            f"CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION note_change()"
        )


def downgrade() -> None:
    for table in FOLLOWED:
        op.execute(f"DROP TRIGGER note_change ON {table}")
    op.execute("DROP VIEW support_access")
    op.execute("DROP FUNCTION support_grants_of(uuid)")
    op.execute("DROP TABLE support_grant, operator_seal, operator_action, operator_era")
    op.execute(
        "DROP FUNCTION note_change(), shown_row(jsonb), differing(jsonb, jsonb),"
        " create_action_partition(integer), first_id_of(integer), only_add_to(text),"
        " refuse_change(), operator_era(), new_record_id()"
    )
