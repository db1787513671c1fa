"""Members of the built-in issuer, for work on a development machine."""

from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.tenancy.context import tenant_context


def add_developer(slug: str, role: Role, issuer: str) -> str:
    """Add the member `dev|ROLE` of an issuer to a tenant if missing, and return the subject."""
    subject = f"dev|{role.value}"
    with tenant_context(slug):
        add_member(
            subject,
            role,
            issuer=issuer,
            display_name=f"Dev {role.value.title()}",
            is_repeatable=True,
        )
    return subject
