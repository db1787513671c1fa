"""Erase tenants, and remember that it was done."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

REFUSE_ERASED_SLUG = """
CREATE FUNCTION refuse_erased_slug() RETURNS trigger LANGUAGE plpgsql
SET search_path = catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM erased_slug
            WHERE digest = sha256(convert_to(NEW.slug, 'UTF8'))) THEN
        RAISE EXCEPTION 'An erased tenant had this slug.' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_erased_slug BEFORE INSERT ON tenant_slug
    FOR EACH ROW EXECUTE FUNCTION refuse_erased_slug()
"""

NOTE_CHANGE = """
CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql
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
    -- The log of an erasure says which rows went, and does not repeat what they held.
    IF current_setting('trially.erasing', true) = 'on' THEN
        named := jsonb_build_object('tenant_id',
            coalesce(named->'tenant_id', CASE WHEN TG_TABLE_NAME = 'tenant' THEN named->'id' END));
        was := '{}';
        becomes := '{}';
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
END $$
"""
"""As in 0008, but an erasure's transaction notes no values."""

NOTE_CHANGE_BEFORE = """
CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql
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
END $$
"""


def upgrade() -> None:
    op.add_column("tenant", sa.Column("erase_after", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tenant", sa.Column("legal_hold", sa.String(length=500), nullable=True))
    op.create_table(
        "erasure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("ordered_by", sa.String(length=255), nullable=False),
        sa.Column(
            "ordered_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("was_active", sa.Boolean(), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.String(length=255), nullable=True),
        sa.Column("tenant_created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("certificate", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
    )
    op.create_index(
        "uq_erasure_open",
        "erasure",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('scheduled', 'running')"),
    )
    op.create_table(
        "erased_slug",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_erased_slug")),
    )
    op.create_table(
        "erased_person",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column(
            "erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenant.id"],
            name=op.f("fk_erased_person_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "patient_id", name=op.f("pk_erased_person")),
    )
    op.execute(REFUSE_ERASED_SLUG)
    op.execute(NOTE_CHANGE)


def downgrade() -> None:
    op.execute(NOTE_CHANGE_BEFORE)
    op.execute("DROP TRIGGER refuse_erased_slug ON tenant_slug")
    op.execute("DROP FUNCTION refuse_erased_slug()")
    op.drop_table("erased_person")
    op.drop_table("erased_slug")
    op.drop_index("uq_erasure_open", table_name="erasure")
    op.drop_table("erasure")
    op.drop_column("tenant", "legal_hold")
    op.drop_column("tenant", "erase_after")
