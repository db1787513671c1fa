"""Keep the matches of studies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def _study(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "study_id"],
        ["study.tenant_id", "study.id"],
        name=op.f(f"fk_{table}_tenant_id_study_id_study"),
        ondelete="CASCADE",
    )


def _patient(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "patient_id"],
        ["patient.tenant_id", "patient.id"],
        name=op.f(f"fk_{table}_tenant_id_patient_id_patient"),
        ondelete="CASCADE",
    )


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "match",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("protocol_version_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("met", sa.BigInteger(), nullable=False),
        sa.Column("not_met", sa.BigInteger(), nullable=False),
        sa.Column("unknowns", sa.SmallInteger(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        _now("changed_at"),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _study("match"),
        _patient("match"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_match")),
        sa.UniqueConstraint(
            "tenant_id",
            "study_id",
            "patient_id",
            name=op.f("uq_match_tenant_id_study_id_patient_id"),
        ),
    )
    op.create_index("ix_match_rank", "match", ["tenant_id", "study_id", "rank", "id"])
    op.create_index("ix_match_tenant_id_patient_id", "match", ["tenant_id", "patient_id"])
    op.create_table(
        "match_run",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("protocol_version_id", sa.Uuid(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("trigger", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="running", nullable=False),
        sa.Column("counts", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("change_number", sa.BigInteger(), nullable=True),
        _now("started_at"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _study("match_run"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_match_run")),
    )
    op.create_index(
        "ix_match_run_tenant_id_study_id", "match_run", ["tenant_id", "study_id", "started_at"]
    )
    op.create_table(
        "match_decision",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        _study("match_decision"),
        _patient("match_decision"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_match_decision")),
        sa.UniqueConstraint(
            "tenant_id",
            "study_id",
            "patient_id",
            name=op.f("uq_match_decision_tenant_id_study_id_patient_id"),
        ),
        sa.CheckConstraint(
            "decision IN ('included', 'excluded')", name=op.f("ck_match_decision_decision")
        ),
    )
    op.create_index(
        "ix_match_decision_tenant_id_patient_id", "match_decision", ["tenant_id", "patient_id"]
    )
    for table in ("match", "match_run", "match_decision"):
        op.execute(
            f"CREATE POLICY tenant_rows ON {table} TO PUBLIC"
            f" USING ({_TENANT}) WITH CHECK ({_TENANT})"
        )


def downgrade() -> None:
    for table in ("match_decision", "match_run", "match"):
        op.drop_table(table)
