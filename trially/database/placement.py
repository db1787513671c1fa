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
    """One app context was asked to serve a second tenant."""


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

    def __post_init__(self) -> None:
        """Refuse a schema that could not be written into SQL as it is."""
        if not _IDENTIFIER.match(self.schema):
            raise ValueError(f"{self.schema!r} cannot be the name of a schema.")

    @property
    def server(self) -> str:
        """The server that the bind key names."""
        return self.bind_key.partition("/")[0]

    @cached_property
    def opening(self) -> str:
        """What goes before the first statement of each transaction: BEGIN and the guard.

        Everything in it is local to the transaction, so the connection goes back to its pool
        carrying nothing of the tenant. The values are a checked name, a uuid and an integer.
        """
        return (
            "BEGIN;"
            f"SELECT set_config('search_path','{self.schema}, pg_temp',true),"
            f"set_config('trially.tenant_id','{self.tenant_id}',true),"
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


def current_placement() -> Placement:
    """Return the current placement, or raise `NoTenantError`."""
    placement: Placement | None = g.get("placement") if has_app_context() else None
    if placement is None:
        raise NoTenantError("No tenant has been entered, so there is no database to ask.")
    return placement
