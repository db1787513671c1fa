"""Create organisations, invite tenants to them, and say who their people are."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from trially.database.model import length_of
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.names import check_line, check_slug
from trially.tenancy.organisations.model import (
    Organisation,
    OrganisationPerson,
    OrganisationRole,
    OrganisationTenant,
)
from trially.tenancy.organisations.stored_counts import delete_unseen


class NoOrganisationError(OperatorError):
    """No organisation has this name."""

    def __init__(self, short_name: str) -> None:
        super().__init__(
            f"The organisation {short_name!r} does not exist. `flask organisations list` shows all."
        )


class OrganisationExistsError(OperatorError):
    """Another organisation has the name."""


class NotInOrganisationError(OperatorError):
    """A tenant or a person is not in the organisation."""


@dataclass(frozen=True)
class Listed:
    """An organisation with the numbers of its tenants and people."""

    organisation: Organisation
    joined: int
    """Tenants that share counts with it."""
    invited: int
    """Tenants whose owners have not accepted."""
    people: int


@dataclass(frozen=True)
class Described:
    """An organisation with its tenants and its people."""

    organisation: Organisation
    tenants: Sequence[tuple[str, OrganisationTenant]]
    """The slug of each tenant, and its stay."""
    people: Sequence[OrganisationPerson]


def create_organisation(short_name: str, name: str) -> Organisation:
    """Create an organisation without tenants and people.

    Raises `OrganisationExistsError`, `InvalidSlugError` or `UnsafeTextError`.
    """
    check_slug(short_name)
    check_line(name, "The name", length_of(Organisation.name))
    with catalog_transaction() as session:
        known = session.scalar(
            select(Organisation.id).where(Organisation.short_name == short_name).with_for_update()
        )
        if known is not None:
            raise OrganisationExistsError(
                f"The organisation {short_name!r} exists already. Choose another name."
            )
        organisation = Organisation(short_name=short_name, name=name)
        session.add(organisation)
        session.flush()
        session.refresh(organisation)
        return organisation


def get_organisation(session: Session, short_name: str) -> Organisation:
    """Return an organisation, or raise `NoOrganisationError`."""
    found = session.scalar(select(Organisation).where(Organisation.short_name == short_name))
    if found is None:
        raise NoOrganisationError(short_name)
    return found


def list_organisations(after: str | None = None, limit: int | None = None) -> Sequence[Listed]:
    """Return organisations in the order of their short names.

    With `after`, only those with a later short name are returned; and at most `limit`.
    """
    stay, person = OrganisationTenant, OrganisationPerson
    joined = func.count(stay.joined_at)
    of_tenants = (
        select(stay.organisation_id, joined.label("joined"), func.count().label("all"))
        .group_by(stay.organisation_id)
        .subquery()
    )
    of_people = (
        select(person.organisation_id, func.count().label("all"))
        .group_by(person.organisation_id)
        .subquery()
    )
    statement = (
        select(Organisation, of_tenants.c.joined, of_tenants.c.all, of_people.c.all)
        .outerjoin(of_tenants, of_tenants.c.organisation_id == Organisation.id)
        .outerjoin(of_people, of_people.c.organisation_id == Organisation.id)
        .order_by(Organisation.short_name)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Organisation.short_name > after)
    with catalog_transaction() as session:
        return [
            Listed(each, of_joined or 0, (of_all or 0) - (of_joined or 0), people or 0)
            for each, of_joined, of_all, people in session.execute(statement)
        ]


def describe_organisation(short_name: str) -> Described:
    """Return an organisation with its tenants and people, or raise `NoOrganisationError`."""
    stay, person = OrganisationTenant, OrganisationPerson
    with catalog_transaction() as session:
        organisation = get_organisation(session, short_name)
        tenants = session.execute(
            select(Tenant.slug, stay)
            .join(stay, stay.tenant_id == Tenant.id)
            .where(stay.organisation_id == organisation.id)
            .order_by(Tenant.slug)
        ).all()
        people = session.scalars(
            select(person)
            .where(person.organisation_id == organisation.id)
            .order_by(person.issuer, person.subject)
        ).all()
    return Described(organisation, [(slug, each) for slug, each in tenants], people)


def delete_organisation(short_name: str) -> Organisation:
    """Delete an organisation. Counts that no other organisation sees are deleted with it.

    Raises `NoOrganisationError`.
    """
    with catalog_transaction() as session:
        organisation = get_organisation(session, short_name)
        stays = OrganisationTenant.organisation_id == organisation.id
        tenant_ids = session.scalars(select(OrganisationTenant.tenant_id).where(stays)).all()
        session.delete(organisation)
        session.flush()
        delete_unseen(session, tenant_ids)
        return organisation


def invite_tenant(short_name: str, tenant_id: UUID) -> OrganisationTenant:
    """Invite a tenant, and return the stay. A tenant that is invited or has joined stays as it is.

    The tenant's owner has to accept. Raises `NoOrganisationError`.
    """
    with catalog_transaction() as session:
        organisation = get_organisation(session, short_name)
        stay = session.get(OrganisationTenant, (organisation.id, tenant_id))
        if stay is None:
            stay = OrganisationTenant(organisation_id=organisation.id, tenant_id=tenant_id)
            session.add(stay)
            session.flush()
            session.refresh(stay)
        return stay


def remove_tenant(short_name: str, tenant_id: UUID) -> OrganisationTenant:
    """Remove a tenant, or withdraw its invitation, and delete its counts if no other sees them.

    Raises `NoOrganisationError` or `NotInOrganisationError`.
    """
    with catalog_transaction() as session:
        organisation = get_organisation(session, short_name)
        stay = session.get(OrganisationTenant, (organisation.id, tenant_id), with_for_update=True)
        if stay is None:
            raise NotInOrganisationError(
                f"The tenant is not in {short_name} and is not invited. `flask organisations show"
                f" {short_name}` shows its tenants."
            )
        session.delete(stay)
        session.flush()
        delete_unseen(session, [tenant_id])
        return stay


def add_person(
    short_name: str, issuer: str, subject: str, role: OrganisationRole
) -> OrganisationPerson:
    """Let a person see the sums of an organisation. Every process knows it within 5 seconds.

    Raises `NoOrganisationError` or `UnsafeTextError`.
    """
    check_line(issuer, "The issuer", length_of(OrganisationPerson.issuer))
    check_line(subject, "The subject", length_of(OrganisationPerson.subject))
    with catalog_transaction() as session:
        organisation = get_organisation(session, short_name)
        person = session.get(OrganisationPerson, (issuer, subject, organisation.id))
        if person is None:
            person = OrganisationPerson(
                issuer=issuer, subject=subject, organisation_id=organisation.id, role=role
            )
            session.add(person)
        person.role = role
        session.flush()
        session.refresh(person)
        return person


def remove_person(short_name: str, issuer: str, subject: str) -> None:
    """Let a person see the sums no longer.

    Raises `NoOrganisationError` or `NotInOrganisationError`.
    """
    with catalog_transaction() as session:
        organisation = get_organisation(session, short_name)
        removed = session.execute(
            delete(OrganisationPerson)
            .where(
                OrganisationPerson.issuer == issuer,
                OrganisationPerson.subject == subject,
                OrganisationPerson.organisation_id == organisation.id,
            )
            .returning(OrganisationPerson.subject)
        ).first()
        if removed is None:
            raise NotInOrganisationError(
                f"{subject!r} of {issuer} is no person of {short_name}. `flask organisations show"
                f" {short_name}` shows its people."
            )
