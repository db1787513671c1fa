"""Index members for requests."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_FUNCTION = """
CREATE FUNCTION {name}(of_tenant uuid, at_issuer text, named text) RETURNS void LANGUAGE sql
VOLATILE SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
{body}
$$
"""
_INSERT = """
    INSERT INTO {table} (issuer, subject, tenant_id)
    SELECT at_issuer, named, id FROM tenant WHERE id = of_tenant ON CONFLICT DO NOTHING;
"""
_DELETE = """
    DELETE FROM {table} WHERE issuer = at_issuer AND subject = named AND tenant_id = of_tenant;
"""
_MEMBERS, _INVITED = "membership_index", "invitation_index"

# Request handling may call these functions, and may not write the tables.
_FUNCTIONS = {
    "index_member": _INSERT.format(table=_MEMBERS) + _DELETE.format(table=_INVITED),
    "index_invitation": _INSERT.format(table=_INVITED),
    "unindex_person": _DELETE.format(table=_MEMBERS) + _DELETE.format(table=_INVITED),
}


def upgrade() -> None:
    op.create_table(
        "invitation_index",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenant.id"],
            name=op.f("fk_invitation_index_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", "tenant_id", name=op.f("pk_invitation_index")),
    )
    op.create_index("ix_invitation_index_tenant_id", "invitation_index", ["tenant_id"])
    op.execute(
        "CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON invitation_index"
        " FOR EACH ROW EXECUTE FUNCTION note_change()"
    )
    for name, body in _FUNCTIONS.items():
        op.execute(_FUNCTION.format(name=name, body=body))


def downgrade() -> None:
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}(uuid, text, text)")
    op.execute("DROP TRIGGER note_change ON invitation_index")
    op.drop_index("ix_invitation_index_tenant_id", table_name="invitation_index")
    op.drop_table("invitation_index")
