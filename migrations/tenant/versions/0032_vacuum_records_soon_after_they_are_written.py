"""Let autovacuum visit records soon after they are written.

PostgreSQL reads an index alone only where VACUUM has been since the last write. By default it comes
after a fifth of new rows: three of fifteen million. The cost limit lets it keep up with an import.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_SETTINGS = {
    "autovacuum_vacuum_insert_scale_factor": 0.01,
    "autovacuum_vacuum_insert_threshold": 10_000,
    "autovacuum_vacuum_scale_factor": 0.05,
    "autovacuum_vacuum_cost_limit": 2_000,
}


def upgrade() -> None:
    listed = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
    op.execute(f"ALTER TABLE clinical_fact SET ({listed})")


def downgrade() -> None:
    op.execute(f"ALTER TABLE clinical_fact RESET ({', '.join(_SETTINGS)})")
