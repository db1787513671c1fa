"""The people whom the built-in issuer signs in: the members of all tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Person:
    """A member of a tenant, who can sign in."""

    subject: str
    display_name: str
    role: str
    tenant: str
    """The tenant's slug."""

    tenant_name: str
    email: str | None = None


@dataclass(frozen=True)
class TenantChoice:
    """A tenant on the login page."""

    slug: str
    name: str
    members: int
    """How many members can sign in here."""

    is_suspended: bool = False


class People(Protocol):
    """Where the login page gets its tenants and their members."""

    def tenants(self, search: str, limit: int) -> Sequence[TenantChoice]:
        """Return tenants, ordered by name.

        The slug, the name or the subject of a member contains `search`.
        """

    def tenant(self, slug: str) -> TenantChoice | None:
        """Return the tenant with this slug, or None."""

    def members(self, tenant: str, search: str, limit: int) -> Sequence[Person]:
        """Return the members of the tenant with this slug, ordered by name.

        The name, the subject or the email address contains `search`. Raises
        `PeopleUnavailableError`.
        """

    def find(self, subject: str, tenant: str | None) -> Person | None:
        """Return the member with this subject, of any tenant if `tenant` is None.

        Raises `PeopleUnavailableError`.
        """


class PeopleUnavailableError(Exception):
    """The members of a tenant cannot be read now."""


class ListedPeople:
    """People from a list in memory."""

    def __init__(self, people: Sequence[Person] = ()) -> None:
        self._people = sorted(people, key=lambda one: (one.tenant_name, one.tenant))

    def tenants(self, search: str, limit: int) -> Sequence[TenantChoice]:
        """Return the tenants of the people."""
        names = {one.tenant: one.tenant_name for one in self._people}
        choices = [
            TenantChoice(slug, name, len([one for one in self._people if one.tenant == slug]))
            for slug, name in names.items()
            if _contains(search, slug, name, *self._subjects(slug))
        ]
        return choices[:limit]

    def tenant(self, slug: str) -> TenantChoice | None:
        """Return a tenant of the people."""
        return next(
            (one for one in self.tenants(slug, len(self._people)) if one.slug == slug), None
        )

    def members(self, tenant: str, search: str, limit: int) -> Sequence[Person]:
        """Return the people of a tenant, in the order of the list."""
        people = [
            one
            for one in self._people
            if one.tenant == tenant
            and _contains(search, one.display_name, one.subject, one.email or "")
        ]
        return people[:limit]

    def find(self, subject: str, tenant: str | None) -> Person | None:
        """Return the first person with this subject, and this tenant unless it is None."""
        for one in self._people:
            if one.subject == subject and tenant in (None, one.tenant):
                return one
        return None

    def _subjects(self, tenant: str) -> list[str]:
        return [one.subject for one in self._people if one.tenant == tenant]


def _contains(search: str, *texts: str) -> bool:
    return any(search.casefold() in text.casefold() for text in texts)
