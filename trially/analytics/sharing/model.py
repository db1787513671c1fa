"""The table of consents, in the tenant's own database."""

from uuid import UUID

from sqlalchemy.orm import Mapped

from trially.database.classes import Copied, Held, classify
from trially.database.model import TenantModel, Timestamped
from trially.database.since import since

REVISION = "0040"
"""The migration that creates the table."""


class OrganisationConsent(Timestamped, TenantModel):
    """The consent of the tenant's owner to share counts with one organisation.

    Its id is that of the invitation that was accepted. The catalog deletes the invitation when the
    tenant leaves, so a consent from an older backup counts for nothing.
    """

    __tablename__ = "organisation_consent"

    organisation_id: Mapped[UUID]
    given_by: Mapped[UUID]
    """The member who gave it."""

    __table_args__ = ({"info": since(REVISION)},)


classify(OrganisationConsent, {Held.ID: "organisation_id given_by"}, Copied.NEVER)
