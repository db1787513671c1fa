"""Permissions and roles of the platform API, and the decorator that a view of it requires.

They have nothing in common with members' permissions: no role of a tenant includes one of them, and
no role of an operator includes one of a tenant's.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from trially.tenancy.operators.model import PlatformRole

View = TypeVar("View", bound=Callable[..., Any])


class PlatformPermission(StrEnum):
    """Something an operator may do through the platform API. `<resource>:<action>`."""

    PLATFORM_READ = "platform:read"
    """Read tenants, operations, servers, placements, plans, usage, migrations, findings, backups.
    """

    TENANTS_CREATE = "platform_tenants:create"
    """Create tenants."""

    TENANTS_CHANGE = "platform_tenants:change"
    """Change a tenant's name, plan and exceptions; suspend and resume it."""

    TENANTS_MOVE = "platform_tenants:move"
    """Move tenants to other tiers and servers, and back; find out which should move."""

    TENANTS_ERASE = "platform_tenants:erase"
    """Order that a tenant is erased, and cancel that."""

    OPERATIONS_MANAGE = "platform_operations:manage"
    """Cancel and resume operations of all operators."""

    PLANS_WRITE = "platform_plans:write"
    """Create, change and delete plans."""

    SERVERS_DRAIN = "platform_servers:drain"
    """Stop and resume placing tenants on a server, and move its tenants to others."""

    MIGRATIONS_RUN = "platform_migrations:run"
    """Migrate the tables of tenants."""

    DOCTOR_RUN = "platform_doctor:run"
    """Let the doctor examine the installation."""

    BACKUPS_RUN = "platform_backups:run"
    """Back up tenants."""


ROLES: Mapping[PlatformRole, frozenset[PlatformPermission]] = {
    PlatformRole.VIEWER: frozenset({PlatformPermission.PLATFORM_READ}),
    PlatformRole.OPERATOR: frozenset(
        {
            PlatformPermission.PLATFORM_READ,
            PlatformPermission.TENANTS_CREATE,
            PlatformPermission.TENANTS_CHANGE,
            PlatformPermission.TENANTS_MOVE,
            PlatformPermission.OPERATIONS_MANAGE,
            PlatformPermission.DOCTOR_RUN,
            PlatformPermission.BACKUPS_RUN,
        }
    ),
    PlatformRole.ADMIN: frozenset(PlatformPermission),
}
"""What each role may do."""


def requires_platform(permission: PlatformPermission) -> Callable[[View], View]:
    """Return a decorator: the view belongs to the platform API, and requires `permission` there."""

    def mark(view: View) -> View:
        view.__dict__["permission"] = permission
        return view

    return mark
