"""An operator with a support grant, as the caller of a request."""

from uuid import UUID, uuid5

from trially.auth.members.identities import Identity
from trially.auth.roles import PhiLevel, Role
from trially.database.placement import Placement
from trially.tenancy.tenant_entries import SupportAccess

OPERATORS = UUID("6f6b2a8e-5a0e-5c1a-9d5b-0f6a53b7c1de")
"""Namespace of the ids of operators."""


def supporter(placement: Placement, issuer: str, subject: str, access: SupportAccess) -> Identity:
    """Return the operator as a caller with the role and the PHI level of the grant."""
    return Identity(
        member_id=uuid5(OPERATORS, f"{issuer} {subject}"),
        tenant_id=placement.tenant_id,
        issuer=issuer,
        subject=subject,
        display_name=f"Support: {access.operator}",
        role=Role(access.role),
        phi_level=PhiLevel(access.phi_level),
        site_ids=None,
        acting_for=access.grant_id,
    )
