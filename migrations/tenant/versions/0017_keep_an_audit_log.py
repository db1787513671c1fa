"""Keep an audit log."""

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from trially.tenancy.schema.append_only import (
    CREATE_FUNCTION,
    REFUSE,
    refuse_changes_sql,
    refuse_truncate_sql,
)

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


# Ids are UUIDs of version 7, which begin with the time in milliseconds, in 48 bits.
_YEARS = (2026, 2027, 2028)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(CREATE_FUNCTION)
    op.create_table(
        "audit_form",
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("phi_level", sa.String(length=10), nullable=True),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_form")),
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_form TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.create_table(
        "audit_record",
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            server_default=sa.text("((pg_current_xact_id())::text)::bigint"),
            nullable=False,
        ),
        sa.Column("form_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("operator", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("subjects", sa.LargeBinary(), nullable=True),
        sa.Column(
            "details", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_record")),
        postgresql_partition_by="RANGE (id)",
    )
    op.execute(
        "CREATE POLICY tenant_rows ON audit_record TO PUBLIC"
        " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    )
    op.add_column(
        "patient",
        sa.Column("audit_number", sa.BigInteger(), sa.Identity(), nullable=False),
    )
    op.add_column(
        "patient",
        sa.Column(
            "audit_key",
            sa.LargeBinary(),
            server_default=sa.text(
                "(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))"
            ),
            nullable=False,
        ),
    )
    op.create_unique_constraint(
        op.f("uq_patient_tenant_id_audit_number"), "patient", ["tenant_id", "audit_number"]
    )
    for partition, bounds in _partitions():
        op.execute(f"CREATE TABLE {partition} PARTITION OF audit_record {bounds}")
        op.execute(
            f"CREATE POLICY tenant_rows ON {partition} TO PUBLIC"
            " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
            " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
        )
        op.execute(refuse_truncate_sql(partition))
    for table in ("audit_form", "audit_record"):
        for statement in refuse_changes_sql(table):
            op.execute(statement)


def downgrade() -> None:
    op.drop_constraint(op.f("uq_patient_tenant_id_audit_number"), "patient", type_="unique")
    op.drop_column("patient", "audit_key")
    op.drop_column("patient", "audit_number")
    op.drop_table("audit_record")
    op.drop_table("audit_form")
    op.execute(f"DROP FUNCTION {REFUSE}()")


def _partitions() -> Iterator[tuple[str, str]]:
    """Yield the name and bounds of each partition: one for each year, and one for the rest."""
    for year in _YEARS:
        yield (
            f"audit_record_{year}",
            f"FOR VALUES FROM ('{_first_id(year)}') TO ('{_first_id(year + 1)}')",
        )
    yield "audit_record_other", "DEFAULT"


def _first_id(year: int) -> UUID:
    """Return the lowest UUID of version 7 of a year."""
    start = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
    return UUID(int=int(start.timestamp() * 1000) << 80)
