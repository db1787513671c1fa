"""Where the current tenant's rows are: set once per app context, never changed in it."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from flask import has_app_context
from sqlalchemy import URL

from trially.errors import OperatorError
from trially.state import request_state

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


class NoTenantError(RuntimeError):
    """SQL was asked for outside a tenant's context."""


class WrongTenantError(RuntimeError):
    """What is one tenant's was used in another tenant's context."""


class StalePlacementError(OperatorError):
    """The tenant's placement has changed since this process last looked."""


class ReplicaBehindError(StalePlacementError):
    """A replica does not let the tenant in: it is behind, or as it was, the tenant was not here."""


class TenantSuspendedError(OperatorError):
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

    replicas: tuple[URL, ...] = field(default=(), repr=False)
    """Where the server's read replicas are."""

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
        return self._opening("BEGIN;", f"{self.epoch:d}")

    def _opening(self, beginning: str, epoch: str) -> str:
        role = f",set_config('role','{self.role}',true)" if self.role else ""
        return (
            f"{beginning}"
            f"SELECT set_config('search_path','{self.schema}, pg_temp',true),"
            f"set_config('trially.tenant_id','{self.tenant_id}',true){role},"
            f"trially.enter('{self.tenant_id}',{epoch});"
        )


@dataclass(frozen=True)
class ReplicaPlacement(Placement):
    """The same rows as a replica of the server has them, for transactions that only read."""

    number: int = 0
    """Which of the replicas it is."""

    position: int = 0
    """What of the server's WAL the replica must have replayed."""

    @property
    def primary(self) -> str:
        """The server whose replica it is."""
        return self.server.partition("@")[0]

    @cached_property
    def opening(self) -> str:
        """What goes before the first statement: on a replica that is behind, no epoch is good."""
        position = f"{self.position >> 32:X}/{self.position & 0xFFFFFFFF:X}"
        return self._opening(
            "BEGIN READ ONLY;",
            f"CASE WHEN pg_last_wal_replay_lsn()>='{position}' THEN {self.epoch:d} ELSE -1 END",
        )


def on_replica(placement: Placement, number: int, position: int) -> ReplicaPlacement:
    """Return a placement on the replica of this number, once that has replayed `position`."""
    server, _, database = placement.bind_key.partition("/")
    return ReplicaPlacement(
        tenant_id=placement.tenant_id,
        bind_key=f"{server}@{number}/{database}",
        schema=placement.schema,
        epoch=placement.epoch,
        url=placement.replicas[number],
        role=placement.role,
        number=number,
        position=position,
    )


def enter_placement(placement: Placement) -> None:
    """Make `placement` the current one.

    Raises `WrongTenantError` if this app context already serves another tenant.
    """
    state = request_state()
    if state.placement is not None and state.placement.tenant_id != placement.tenant_id:
        raise WrongTenantError("This app context already serves another tenant.")
    state.placement = placement


def has_placement() -> bool:
    """Tell whether a tenant has been entered."""
    return has_app_context() and request_state().placement is not None


def current_placement() -> Placement:
    """Return the current placement, or raise `NoTenantError`."""
    placement = request_state().placement if has_app_context() else None
    if placement is None:
        raise NoTenantError("No tenant has been entered, so there is no database to ask.")
    return placement
