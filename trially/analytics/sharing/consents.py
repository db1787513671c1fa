"""The consents of the current tenant, as rows of its own database."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select

from trially.analytics.sharing.model import OrganisationConsent
from trially.database.rows import delete_item, insert_item, of_current_tenant, table_of
from trially.database.session import db
from trially.database.since import lacking

_consent = table_of(OrganisationConsent).c


def has_consents() -> bool:
    """Return whether the owner of the tenant shares counts with an organisation."""
    return bool(read_consents())


def read_consents() -> Mapping[UUID, UUID]:
    """Return the organisation of each consent, by the id of its invitation."""
    if OrganisationConsent.__tablename__ in lacking().tables:
        return {}
    rows = db.session.execute(
        select(_consent.id, _consent.organisation_id).where(of_current_tenant(OrganisationConsent))
    )
    return {row.id: row.organisation_id for row in rows}


def lock_consents() -> frozenset[UUID]:
    """Return the invitations that were accepted. None is withdrawn until the end."""
    if OrganisationConsent.__tablename__ in lacking().tables:
        return frozenset()
    rows = db.session.scalars(
        select(_consent.id)
        .where(of_current_tenant(OrganisationConsent))
        .order_by(_consent.id)
        .with_for_update(read=True)
    )
    return frozenset(rows)


def write_consent(invitation_id: UUID, organisation_id: UUID, member_id: UUID) -> None:
    """Record the consent of a member to one invitation."""
    values = {
        "id": invitation_id,
        "organisation_id": organisation_id,
        "given_by": member_id,
    }
    insert_item(OrganisationConsent, values, ("id",))


def delete_consents(organisation_id: UUID) -> bool:
    """Delete the consents for an organisation, and return whether there was one."""
    found = [key for key, named in read_consents().items() if named == organisation_id]
    for each in found:
        delete_consent(each)
    return bool(found)


def delete_consent(invitation_id: UUID) -> bool:
    """Delete one consent, and return whether it existed. It waits for counts that are copied."""
    return delete_item(OrganisationConsent, invitation_id)
