"""Let tenants have issuers of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_FUNCTION = """
CREATE FUNCTION {signature} LANGUAGE plpgsql
VOLATILE SECURITY DEFINER SET search_path = catalog, pg_temp AS $$
BEGIN
{body}
END
$$
"""

# Request handling may call these functions, and may not write the table. Each one changes an issuer
# of the tenant that it is called for, and of no other. Only `prove_issuer` makes an issuer count.
_FUNCTIONS = {
    "register_issuer(of_tenant uuid, with_id uuid, at_issuer text, named text, seconds integer,"
    " most integer) RETURNS text": """
    -- Two registrations of one tenant come one after the other, so that both count the same rows.
    PERFORM FROM tenant WHERE id = of_tenant FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM tenant_issuer WHERE tenant_id = of_tenant AND issuer = at_issuer) THEN
        RETURN 'exists';
    END IF;
    IF (SELECT count(*) FROM tenant_issuer WHERE tenant_id = of_tenant) >= most THEN
        RETURN 'too_many';
    END IF;
    INSERT INTO tenant_issuer (id, tenant_id, issuer, name, max_lifetime_seconds)
    VALUES (with_id, of_tenant, at_issuer, named, seconds);
    RETURN 'registered';
""",
    "prove_issuer(of_tenant uuid, of_id uuid) RETURNS boolean": """
    UPDATE tenant_issuer SET proven_at = now(), updated_at = now(), version = version + 1
    WHERE tenant_id = of_tenant AND id = of_id;
    RETURN FOUND;
""",
    "change_issuer(of_tenant uuid, of_id uuid, seen bigint, named text, enabled boolean,"
    " seconds integer) RETURNS boolean": """
    UPDATE tenant_issuer
    SET name = named, is_enabled = enabled, max_lifetime_seconds = seconds,
        updated_at = now(), version = version + 1
    WHERE tenant_id = of_tenant AND id = of_id AND version = seen;
    RETURN FOUND;
""",
    "remove_issuer(of_tenant uuid, of_id uuid, seen bigint) RETURNS boolean": """
    DELETE FROM tenant_issuer WHERE tenant_id = of_tenant AND id = of_id AND version = seen;
    RETURN FOUND;
""",
}
_DROPPED = (
    "register_issuer(uuid, uuid, text, text, integer, integer)",
    "prove_issuer(uuid, uuid)",
    "change_issuer(uuid, uuid, bigint, text, boolean, integer)",
    "remove_issuer(uuid, uuid, bigint)",
)


def upgrade() -> None:
    op.create_table(
        "tenant_issuer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=100), server_default="", nullable=False),
        sa.Column("max_lifetime_seconds", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.CheckConstraint(
            "max_lifetime_seconds BETWEEN 60 AND 86400",
            name=op.f("ck_tenant_issuer_max_lifetime_seconds"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenant.id"],
            name=op.f("fk_tenant_issuer_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant_issuer")),
        sa.UniqueConstraint("tenant_id", "issuer", name=op.f("uq_tenant_issuer_tenant_id_issuer")),
    )
    op.execute(
        "CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON tenant_issuer"
        " FOR EACH ROW EXECUTE FUNCTION note_change()"
    )
    for signature, body in _FUNCTIONS.items():
        op.execute(_FUNCTION.format(signature=signature, body=body.strip("\n")))


def downgrade() -> None:
    for signature in _DROPPED:
        op.execute(f"DROP FUNCTION {signature}")
    op.drop_table("tenant_issuer")


def _moment(name: str) -> sa.Column[object]:
    default = sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=False)
