"""Keep proposals of criteria."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_TENANT = "tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid"


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _list(name: str) -> sa.Column[object]:
    return sa.Column(
        name,
        postgresql.JSONB(astext_type=sa.Text()),
        server_default=sa.text("'[]'::jsonb"),
        nullable=False,
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "criterion_proposal",
        sa.Column("protocol_version_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="open", nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("place_start", sa.Integer(), nullable=True),
        sa.Column("place_end", sa.Integer(), nullable=True),
        sa.Column("study_field", sa.String(length=20), nullable=True),
        sa.Column("expression", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        _list("parts"),
        _list("assumptions"),
        sa.Column("confidence", sa.String(length=10), nullable=False),
        sa.Column("reader", sa.String(length=100), nullable=False),
        sa.Column("reader_version", sa.String(length=100), nullable=False),
        sa.Column("criterion_key", sa.Uuid(), nullable=True),
        sa.Column("decided_by", sa.String(length=255), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.String(length=500), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(document_id IS NULL) = (place_start IS NULL)"
            " AND (place_start IS NULL) = (place_end IS NULL)"
            " AND (document_id IS NULL OR study_field IS NULL)",
            name=op.f("ck_criterion_proposal_place"),
        ),
        sa.CheckConstraint(
            "(state = 'open') = (decided_by IS NULL)"
            " AND (state IN ('accepted', 'corrected')) = (criterion_key IS NOT NULL)",
            name=op.f("ck_criterion_proposal_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "protocol_version_id"],
            ["protocol_version.tenant_id", "protocol_version.id"],
            name=op.f("fk_criterion_proposal_tenant_id_protocol_version_id_protocol_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_criterion_proposal")),
    )
    op.create_index(
        "ix_criterion_proposal_position",
        "criterion_proposal",
        ["tenant_id", "protocol_version_id", "position", "id"],
    )
    op.execute(
        "CREATE TRIGGER grow_version BEFORE UPDATE ON criterion_proposal"
        " FOR EACH ROW EXECUTE FUNCTION grow_version()"
    )
    op.execute(
        "CREATE TRIGGER keep_approved BEFORE INSERT OR UPDATE OR DELETE ON criterion_proposal"
        " FOR EACH ROW EXECUTE FUNCTION keep_approved_criteria()"
    )
    op.execute(
        "CREATE POLICY tenant_rows ON criterion_proposal TO PUBLIC"
        f" USING ({_TENANT}) WITH CHECK ({_TENANT})"
    )


def downgrade() -> None:
    op.drop_table("criterion_proposal")
