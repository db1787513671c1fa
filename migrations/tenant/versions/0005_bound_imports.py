"""Bound imports: counts of faults by reason, leases, and sizes of deferred records."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "import_job",
        sa.Column(
            "error_counts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("import_job", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "import_deferral",
        sa.Column("json_bytes", sa.Integer(), server_default="0", nullable=False),
    )
    # Of imports that ended before, each fault has a row. Positions are left out, as new imports do.
    op.execute(
        "UPDATE import_job SET error_counts = counted.counts FROM ("
        " SELECT tenant_id, import_id, jsonb_object_agg(reason, number) AS counts FROM ("
        " SELECT tenant_id, import_id, regexp_replace(reason, '\\[\\d+\\]', '[*]', 'g') AS reason,"
        " count(*) AS number FROM import_fault GROUP BY 1, 2, 3) AS reasons GROUP BY 1, 2"
        ") AS counted WHERE import_job.tenant_id = counted.tenant_id"
        " AND import_job.id = counted.import_id"
    )


def downgrade() -> None:
    op.drop_column("import_deferral", "json_bytes")
    op.drop_column("import_job", "lease_until")
    op.drop_column("import_job", "error_counts")
