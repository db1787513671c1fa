"""The person who sends a request for an organisation, as the catalog knows the person now."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from trially.auth.organisations.permissions import ROLES, OrganisationPermission
from trially.auth.tokens import Claims
from trially.cache.ttl_cache import TTLCache
from trially.request_state import request_state
from trially.state import app_state, state_of
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.organisations.model import (
    Organisation,
    OrganisationPerson,
    OrganisationRole,
)

CACHE_CAPACITY = 10_000


@dataclass(frozen=True)
class Place:
    """An organisation of a person, and the person's role there."""

    organisation_id: UUID
    name: str
    role: OrganisationRole


@dataclass(frozen=True)
class Person:
    """A person of at least one organisation."""

    issuer: str
    subject: str
    places: Mapping[UUID, Place]

    def may(self, permission: OrganisationPermission) -> bool:
        """Return whether the person may do this in at least one organisation."""
        return any(permission in ROLES[place.role] for place in self.places.values())

    def place_at(self, organisation_id: UUID, permission: OrganisationPermission) -> Place | None:
        """Return the person's place in an organisation, None without it or the permission."""
        place = self.places.get(organisation_id)
        return place if place is not None and permission in ROLES[place.role] else None


def find_person(claims: Claims) -> Person | None:
    """Return the person who sent a token, or None. The answer is at most 5 seconds old.

    Raises `CatalogUnavailableError`: unlike members, these people are not served without the
    catalog.
    """
    known, key = app_state().people_of_organisations, (claims.iss, claims.sub)
    person = known.get(key)
    if person is None:
        person = catalog_reader().ask(lambda: read_person(*key))
        if person is not None:
            known.put(key, person)
    return person


def read_person(issuer: str, subject: str) -> Person | None:
    """Return a person as the catalog knows the person now, or None without an organisation."""
    statement = (
        select(Organisation.id, Organisation.name, OrganisationPerson.role)
        .join(Organisation, Organisation.id == OrganisationPerson.organisation_id)
        .where(OrganisationPerson.issuer == issuer, OrganisationPerson.subject == subject)
        .order_by(Organisation.name, Organisation.id)
    )
    with Session(reader_engine()) as session:
        places = {
            organisation_id: Place(organisation_id, name, OrganisationRole(role))
            for organisation_id, name, role in session.execute(statement)
        }
    return Person(issuer, subject, places) if places else None


def current_person() -> Person:
    """Return the person who sends the current request."""
    person = request_state().person_of_organisation
    if person is None:
        raise RuntimeError("The request has not been authenticated for an organisation.")
    return person


def init_app(app: Flask) -> None:
    """Create the app's memory of people of organisations."""
    state = state_of(app)
    state.people_of_organisations = TTLCache(
        CACHE_CAPACITY, state.settings.placement_max_age_seconds
    )
