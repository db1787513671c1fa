"""What the login page shows: the members of few tenants, or the choice among many."""

from dataclasses import dataclass

from trially.dev_issuer.people import People, PeopleUnavailableError, Person, TenantChoice
from trially.tenancy.directory import UnknownTenantError

OPEN_TENANTS = 8
"""So many tenants are shown with their members. Each costs a query to its own database."""

TENANTS_SHOWN = 100
MEMBERS_SHOWN = 50
SEARCHABLE_MEMBERS = 10
LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Section:
    """A tenant on the page, with its members if the page shows them."""

    tenant: TenantChoice
    people: list[Person]
    is_open: bool = True
    has_more: bool = False
    is_unavailable: bool = False


@dataclass(frozen=True)
class LoginPage:
    """The content of the page."""

    sections: list[Section]
    search: str
    tenant: str
    """The slug of the only tenant that is shown; empty for all of them."""

    has_more_tenants: bool
    has_search: bool


def build_page(people: People, search: str, tenant: str) -> LoginPage:
    """Return the page for a search and a chosen tenant, both of which may be empty."""
    search = search.replace("\0", "").strip()[:LONGEST_SEARCH]
    # Few tenants are opened all, so that a search finds the members' names in their databases.
    found = list(people.tenants("", OPEN_TENANTS + 1))
    has_few = len(found) <= OPEN_TENANTS
    if tenant:
        chosen = people.tenant(tenant)
        found = [chosen] if chosen else []
    elif search and not has_few:
        found = list(people.tenants(search, TENANTS_SHOWN + 1))
    elif not has_few:
        found = list(people.tenants("", TENANTS_SHOWN + 1))
    is_open = len(found) <= OPEN_TENANTS
    sections = [
        _open(people, one, search, is_chosen=bool(tenant))
        if is_open
        else Section(one, [], is_open=False)
        for one in found[:TENANTS_SHOWN]
    ]
    if search and is_open:
        sections = [one for one in sections if one.people or one.is_unavailable]
    shown = sum(one.tenant.members for one in sections)
    return LoginPage(
        sections,
        search,
        tenant,
        has_more_tenants=len(found) > TENANTS_SHOWN,
        has_search=bool(search or tenant) or not has_few or shown > SEARCHABLE_MEMBERS,
    )


def _open(people: People, tenant: TenantChoice, search: str, *, is_chosen: bool) -> Section:
    """Return a tenant with the members that a search finds: all, if it finds the tenant itself."""
    if tenant.is_suspended:
        return Section(tenant, [])
    if not is_chosen and search.casefold() in f"{tenant.slug} {tenant.name}".casefold():
        search = ""
    try:
        found = people.members(tenant.slug, search, MEMBERS_SHOWN + 1)
    except (PeopleUnavailableError, UnknownTenantError):
        return Section(tenant, [], is_unavailable=True)
    return Section(tenant, list(found[:MEMBERS_SHOWN]), has_more=len(found) > MEMBERS_SHOWN)
