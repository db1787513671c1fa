"""Read the people from the catalog's member index and the tenants' own databases."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, and_, exists, func, or_, select, true
from sqlalchemy.orm import Session

from trially.auth.members.model import Member
from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.dev_issuer.clients import MACHINE_PREFIX
from trially.dev_issuer.people import PeopleUnavailableError, Person, TenantChoice
from trially.slugs import REFERENCE_PATTERN
from trially.tenancy.catalog import MembershipIndex, Tenant
from trially.tenancy.catalog_choices import UNSERVED, TenantStatus
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import TenantEntry, UnknownTenantError
from trially.tenancy.pinning import is_served

_REFERENCE = re.compile(REFERENCE_PATTERN)


class Members:
    """The members of one issuer, in all tenants that this instance serves.

    Machine clients are left out, because they get tokens without a login page.
    """

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        """The name under which the issuer's members are recorded."""

    def tenants(self, search: str, limit: int) -> Sequence[TenantChoice]:
        """Return tenants from the catalog, also those without members of this issuer."""
        has_matching_member = exists().where(
            self._is_member(), MembershipIndex.subject.icontains(search, autoescape=True)
        )
        matches = or_(
            Tenant.slug.icontains(search, autoescape=True),
            Tenant.name.icontains(search, autoescape=True),
            has_matching_member,
        )
        return self._choices(matches if search else true(), limit)

    def tenant(self, slug: str) -> TenantChoice | None:
        """Return a tenant from the catalog, or None."""
        found = self._choices(Tenant.slug == slug, 1) if _REFERENCE.fullmatch(slug) else ()
        return found[0] if found else None

    def _choices(self, condition: ColumnElement[bool], limit: int) -> Sequence[TenantChoice]:
        members = select(func.count()).where(self._is_member()).correlate(Tenant).scalar_subquery()
        statement = (
            select(Tenant.slug, Tenant.name, Tenant.status, members.label("members"))
            .where(is_served(), Tenant.status.not_in(UNSERVED), condition)
            .order_by(Tenant.name, Tenant.slug)
            .limit(limit)
        )
        with Session(reader_engine()) as session:
            return [
                TenantChoice(row.slug, row.name, row.members, row.status == TenantStatus.SUSPENDED)
                for row in session.execute(statement)
            ]

    def members(self, tenant: str, search: str, limit: int) -> Sequence[Person]:
        """Return members from the tenant's own database."""
        columns = table_of(Member).c
        matches = or_(
            *(
                column.icontains(search, autoescape=True)
                for column in (columns.display_name, columns.subject, columns.email)
            )
        )
        with _entered(tenant) as entry:
            rows = self._select(matches if search else None, limit)
            return [_describe(row, entry) for row in rows]

    def find(self, subject: str, tenant: str | None) -> Person | None:
        """Return a member from the tenant's own database, or None."""
        if subject.startswith(MACHINE_PREFIX) or "\0" in subject:
            return None
        slug = tenant if tenant is not None else self._first_tenant(subject)
        if slug is None:
            return None
        try:
            with _entered(slug) as entry:
                if entry.is_suspended:
                    return None
                rows = self._select(table_of(Member).c.subject == subject, 1)
                return _describe(rows[0], entry) if rows else None
        except UnknownTenantError:
            return None

    def _is_member(self) -> ColumnElement[bool]:
        """Return the condition on the index for the people of this issuer in a tenant."""
        return and_(
            MembershipIndex.tenant_id == Tenant.id,
            MembershipIndex.issuer == self._issuer,
            ~MembershipIndex.subject.startswith(MACHINE_PREFIX, autoescape=True),
        )

    def _first_tenant(self, subject: str) -> str | None:
        statement = (
            select(Tenant.slug)
            .join(MembershipIndex, MembershipIndex.tenant_id == Tenant.id)
            .where(
                MembershipIndex.issuer == self._issuer,
                MembershipIndex.subject == subject,
                is_served(),
                Tenant.status == TenantStatus.ACTIVE,
            )
            .order_by(Tenant.name, Tenant.slug)
            .limit(1)
        )
        with Session(reader_engine()) as session:
            return session.scalar(statement)

    def _select(self, condition: ColumnElement[bool] | None, limit: int) -> Sequence[Any]:
        """Return this issuer's members of the current tenant that meet a condition."""
        columns = table_of(Member).c
        statement = (
            select(columns.subject, columns.display_name, columns.role, columns.email)
            .where(
                of_current_tenant(Member),
                columns.issuer == self._issuer,
                ~columns.subject.startswith(MACHINE_PREFIX, autoescape=True),
            )
            .order_by(func.coalesce(columns.display_name, columns.subject), columns.subject)
            .limit(limit)
        )
        return db.session.execute(
            statement if condition is None else statement.where(condition)
        ).all()


@contextmanager
def _entered(slug: str) -> Iterator[TenantEntry]:
    """Enter a tenant; one that cannot be read is no reason to refuse the others' members."""
    if not _REFERENCE.fullmatch(slug):
        raise UnknownTenantError(slug)
    try:
        with tenant_context(slug) as entry:
            yield entry
    except UnknownTenantError:
        raise
    except Exception as error:
        current_app.logger.warning("The members of a tenant cannot be read.", exc_info=error)
        raise PeopleUnavailableError(slug) from error


def _describe(row: Any, entry: TenantEntry) -> Person:
    return Person(
        subject=row.subject,
        display_name=row.display_name or row.subject,
        role=row.role,
        tenant=entry.slug,
        tenant_name=entry.name,
        email=row.email,
    )
