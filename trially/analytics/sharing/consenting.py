"""Join and leave organisations, as the owner of the current tenant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from trially.analytics.jobs import enqueue_sharing
from trially.analytics.sharing.consents import delete_consents, read_consents, write_consent
from trially.analytics.sharing.model import OrganisationConsent
from trially.analytics.storing import newest_counts
from trially.auth.identity import current_identity
from trially.auth.refusals import control_plane_unavailable
from trially.auth.support.lasting import refuse_support
from trially.config import current_settings
from trially.database.placement import current_placement
from trially.database.rows import Item, table_of
from trially.database.since import lacking
from trially.http.problems import NotFound
from trially.tenancy.catalog_reader import CatalogUnavailableError, catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.organisations.model import Organisation, OrganisationTenant

Answer = TypeVar("Answer")

_LEAVE = text("SELECT leave_organisation(:tenant_id, :organisation_id)")


class StayState(StrEnum):
    """How far a tenant is with an organisation."""

    INVITED = "invited"
    """The tenant's owner has not accepted. Nothing is shared."""
    JOINING = "joining"
    """The owner has accepted, and a worker will count the tenant."""
    JOINED = "joined"
    """The organisation sees the tenant's counts in its sums."""


@dataclass(frozen=True)
class _Stay:
    organisation_id: UUID
    name: str
    invitation_id: UUID
    row: OrganisationTenant


def read_sharing() -> Item:
    """Return with which organisations the tenant shares counts, and the newest counts."""
    tenant_id, consents = current_placement().tenant_id, read_consents()
    return {
        "smallest_count": current_settings().smallest_shared_count,
        "organisations": [_describe(each, consents) for each in _stays(tenant_id)],
        "counts": _ask(partial(_newest, tenant_id)),
    }


def join(organisation_id: UUID) -> Item:
    """Accept the invitation of an organisation, or answer 404 without one."""
    refuse_support()
    lacking().refuse_table(table_of(OrganisationConsent))
    stay = _stay_at(organisation_id)
    if stay is None:
        raise _no_invitation()
    if stay.invitation_id not in read_consents():
        write_consent(stay.invitation_id, organisation_id, current_identity().member_id)
    enqueue_sharing()
    return read_sharing()


def leave(organisation_id: UUID) -> None:
    """Withdraw the consent, or decline the invitation. The counts are deleted before the answer.

    Answers 404 if the tenant is not in the organisation and is not invited, and 503 without a
    change if the catalog does not answer.
    """
    refuse_support()
    lacking().refuse_table(table_of(OrganisationConsent))
    # The rows come first: a worker that copies counts holds them, or will find them gone.
    had_consent = delete_consents(organisation_id)
    if not had_consent and _stay_at(organisation_id) is None:
        raise _no_invitation()
    _ask(partial(_leave, current_placement().tenant_id, organisation_id))


def _describe(stay: _Stay, consents: Any) -> Item:
    if stay.invitation_id not in consents:
        state = StayState.INVITED
    else:
        state = StayState.JOINING if stay.row.joined_at is None else StayState.JOINED
    return {
        "id": stay.organisation_id,
        "name": stay.name,
        "state": state,
        "invited_at": stay.row.invited_at,
        "joined_at": stay.row.joined_at,
    }


def _stays(tenant_id: UUID) -> Sequence[_Stay]:
    """Return the organisations that the tenant is in or is invited to, by name."""
    return _ask(partial(_read_stays, tenant_id))


def _stay_at(organisation_id: UUID) -> _Stay | None:
    stays = _stays(current_placement().tenant_id)
    return next((each for each in stays if each.organisation_id == organisation_id), None)


def _read_stays(tenant_id: UUID) -> Sequence[_Stay]:
    statement = (
        select(OrganisationTenant, Organisation.name)
        .join(Organisation, Organisation.id == OrganisationTenant.organisation_id)
        .where(OrganisationTenant.tenant_id == tenant_id)
        .order_by(Organisation.name, Organisation.id)
    )
    with Session(reader_engine(), expire_on_commit=False) as session:
        return [
            _Stay(row.organisation_id, name, row.invitation_id, row)
            for row, name in session.execute(statement)
        ]


def _newest(tenant_id: UUID) -> Sequence[Item]:
    with Session(reader_engine()) as session:
        rows = newest_counts(session, [tenant_id])
    counts = [
        {
            "measure": row["measure"],
            "study": row["study"] or None,
            "value": row["value"] or None,
            "at_least": row["quantity"],
            "at_most": row["quantity"] + row["step"] - 1,
            "counted_at": row["counted_at"],
        }
        for row in rows
    ]
    return sorted(
        counts, key=lambda each: (each["measure"], each["study"] or "", each["value"] or "")
    )


def _leave(tenant_id: UUID, organisation_id: UUID) -> None:
    with reader_engine().begin() as catalog:
        catalog.execute(_LEAVE, {"tenant_id": tenant_id, "organisation_id": organisation_id})


def _ask(query: Callable[[], Answer]) -> Answer:
    try:
        return catalog_reader().ask(query)
    except CatalogUnavailableError:
        raise control_plane_unavailable() from None


def _no_invitation() -> NotFound:
    return NotFound("There is no such organisation.")
