"""Keep organisations."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_MEASURES = (
    "'patients', 'patients_by_sex', 'patients_by_age', 'patients_with_records', 'matches',"
    " 'active_studies', 'active_studies_by_phase', 'newest_import'"
)
_VALUES = (
    "'', 'female', 'male', '0_17', '18_34', '35_49', '50_64', '65_79', '80_or_older',"
    " 'eligible', 'potential', 'early_phase_1', 'phase_1', 'phase_2', 'phase_3', 'phase_4',"
    " 'none', 'within_1_day', 'within_7_days', 'within_30_days', 'older', 'never'"
)
_FOLLOWED = ("organisation", "organisation_tenant", "organisation_person")

# Request handling may call this function, and may not write the tables. So a request can end what
# a tenant shares, and only a worker, which finds the consent in the tenant's database, begins it.
_WITHDRAW = """
CREATE FUNCTION leave_organisation(of_tenant uuid, of_organisation uuid) RETURNS void LANGUAGE sql
VOLATILE SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
    DELETE FROM organisation_tenant
    WHERE tenant_id = of_tenant AND organisation_id = of_organisation;
    DELETE FROM shared_count WHERE tenant_id = of_tenant AND NOT EXISTS (
        SELECT FROM organisation_tenant WHERE tenant_id = of_tenant AND joined_at IS NOT NULL);
$$
"""


def upgrade() -> None:
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("short_name", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        _moment("created_at", has_default=True),
        _moment("updated_at", has_default=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("short_name", name=op.f("uq_organisation_short_name")),
    )
    op.create_table(
        "organisation_tenant",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        _moment("invited_at", has_default=True),
        _moment("joined_at"),
        _foreign_key("organisation_tenant", "organisation"),
        _foreign_key("organisation_tenant", "tenant"),
        sa.PrimaryKeyConstraint(
            "organisation_id", "tenant_id", name=op.f("pk_organisation_tenant")
        ),
        sa.UniqueConstraint("invitation_id", name=op.f("uq_organisation_tenant_invitation_id")),
    )
    op.create_index("ix_organisation_tenant_tenant_id", "organisation_tenant", ["tenant_id"])
    op.create_table(
        "organisation_person",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        _moment("created_at", has_default=True),
        _moment("updated_at", has_default=True),
        _foreign_key("organisation_person", "organisation"),
        sa.PrimaryKeyConstraint(
            "issuer", "subject", "organisation_id", name=op.f("pk_organisation_person")
        ),
    )
    op.create_index(
        "ix_organisation_person_organisation_id", "organisation_person", ["organisation_id"]
    )
    op.create_table(
        "shared_count",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("about", sa.String(length=10), nullable=False),
        _moment("counted_at", is_nullable=False),
        sa.Column("measure", sa.String(length=30), nullable=False),
        sa.Column("study", sa.String(length=11), server_default=sa.text("''"), nullable=False),
        sa.Column("value", sa.String(length=20), server_default=sa.text("''"), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.CheckConstraint("about IN ('patients', 'work')", name=op.f("ck_shared_count_about")),
        sa.CheckConstraint(f"measure IN ({_MEASURES})", name=op.f("ck_shared_count_measure")),
        sa.CheckConstraint("study ~ '^(NCT[0-9]{8})?$'", name=op.f("ck_shared_count_study")),
        sa.CheckConstraint(f"value IN ({_VALUES})", name=op.f("ck_shared_count_value")),
        sa.CheckConstraint(
            "quantity >= 0 AND quantity % step = 0", name=op.f("ck_shared_count_quantity")
        ),
        sa.CheckConstraint(
            "step >= 11 OR (about = 'work' AND step = 1)", name=op.f("ck_shared_count_step")
        ),
        _foreign_key("shared_count", "tenant"),
        sa.PrimaryKeyConstraint(
            *("tenant_id", "about", "counted_at", "measure", "study", "value"),
            name=op.f("pk_shared_count"),
        ),
    )
    for table in _FOLLOWED:
        op.execute(
            f"CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION note_change()"
        )
    op.execute(_WITHDRAW)


def downgrade() -> None:
    op.execute("DROP FUNCTION leave_organisation(uuid, uuid)")
    op.drop_table("shared_count")
    op.drop_table("organisation_person")
    op.drop_table("organisation_tenant")
    op.drop_table("organisation")


def _moment(
    name: str, *, has_default: bool = False, is_nullable: bool | None = None
) -> sa.Column[object]:
    default = sa.text("now()") if has_default else None
    nullable = not has_default if is_nullable is None else is_nullable
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _foreign_key(table: str, referred: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [f"{referred}_id"],
        [f"{referred}.id"],
        name=op.f(f"fk_{table}_{referred}_id_{referred}"),
        ondelete="CASCADE",
    )
