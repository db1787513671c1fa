"""Where the current tenant's rows are: set once per app context, never changed in it."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from flask import g, has_app_context
from sqlalchemy import URL

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


class NoTenantError(RuntimeError):
    """SQL was asked for outside a tenant's context."""


class WrongTenantError(RuntimeError):
    """What is one tenant's was used in another tenant's context."""


class StalePlacementError(RuntimeError):
    """The tenant's placement has changed since this process last looked."""


class TenantSuspendedError(RuntimeError):
    """The tenant's database refuses work until the tenant is resumed."""


@dataclass(frozen=True)
class Placement:
    """One tenant's rows: which engine, which schema, whose, and as of which epoch."""

    tenant_id: UUID
    bind_key: str
    schema: str
    epoch: int
    url: URL = field(repr=False)
    role: str | None = None
    """What each transaction sets its role to; None where the login role is the tenant's already."""

    def __post_init__(self) -> None:
        """Refuse names that could not be written into SQL as they are."""
        for name in (self.schema, self.role):
            if name is not None and not _IDENTIFIER.match(name):
                raise ValueError(f"{name!r} cannot be the name of a schema or role.")

    @property
    def server(self) -> str:
        """The server that the bind key names."""
        return self.bind_key.partition("/")[0]

    @cached_property
    def opening(self) -> str:
        """What goes before the first statement of each transaction: BEGIN and the guard.

        Everything in it is local to the transaction, so the connection goes back to its pool
        carrying nothing of the tenant. The values are checked names, a uuid and an integer.
        """
        role = f",set_config('role','{self.role}',true)" if self.role else ""
        return (
            "BEGIN;"
            f"SELECT set_config('search_path','{self.schema}, pg_temp',true),"
            f"set_config('trially.tenant_id','{self.tenant_id}',true){role},"
            f"trially.enter('{self.tenant_id}',{self.epoch:d});"
        )


def enter_placement(placement: Placement) -> None:
    """Make `placement` the current one.

    Raises `WrongTenantError` if this app context already serves another tenant.
    """
    entered: Placement | None = g.get("placement")
    if entered is not None and entered.tenant_id != placement.tenant_id:
        raise WrongTenantError("This app context already serves another tenant.")
    g.placement = placement


def has_placement() -> bool:
    """Tell whether a tenant has been entered."""
    return has_app_context() and "placement" in g


def current_placement() -> Placement:
    """Return the current placement, or raise `NoTenantError`."""
    placement: Placement | None = g.get("placement") if has_app_context() else None
    if placement is None:
        raise NoTenantError("No tenant has been entered, so there is no database to ask.")
    return placement
