"""The current placement: where the rows of an app context's one tenant are."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from flask import has_app_context
from sqlalchemy import URL

from trially.database.field_states import READABLE, FieldState
from trially.database.planes import refuse_platform_requests
from trially.errors import OperatorError
from trially.request_state import request_state

QUOTAS_SETTING = "trially.quotas"
"""The setting with which a transaction passes its tenant's quotas on to the database."""

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")

_QUOTAS = re.compile(r"[a-z0-9_=: ]*\Z")


class NoTenantError(RuntimeError):
    """SQL was sent while no tenant was entered."""


class WrongTenantError(RuntimeError):
    """An object, session or connection of one tenant was used in another tenant's context."""


class StalePlacementError(OperatorError):
    """The tenant's placement has changed since this process cached it."""


class ReplicaBehindError(StalePlacementError):
    """The replica refused the transaction.

    It has not replayed far enough, or its copy of the placement is out of date.
    """


class TenantSuspendedError(OperatorError):
    """The tenant is suspended: its guard refuses transactions until the tenant is resumed."""


class OutdatedTenantError(OperatorError):
    """The tenant's tables are of a revision that this version cannot serve, or not fully."""


@dataclass(frozen=True)
class Placement:
    """Where one tenant's rows are, and as of which epoch."""

    tenant_id: UUID
    bind_key: str
    schema: str
    epoch: int
    url: URL = field(repr=False)
    other_password: str | None = field(default=None, repr=False)
    """The login role's password under the other secret key, while the key is changed."""

    role: str | None = None
    """The role that each transaction sets; None if the login role belongs to this tenant alone."""

    replicas: tuple[URL, ...] = field(default=(), repr=False)
    """URLs of the server's read replicas."""

    revision: str | None = None
    """The recorded revision of the tables, None if it is unknown."""

    beginning: str = "BEGIN;"
    """The SQL that begins each transaction."""

    fields: FieldState = READABLE
    """How the tenant's fields are stored: encrypted or not."""

    quotas: str = ""
    """The tenant's quotas, as the triggers that count rows read them. Empty: they are not known."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a schema, role or quotas that would need quoting in SQL."""
        for name in (self.schema, self.role):
            if name is not None and not _IDENTIFIER.match(name):
                raise ValueError(f"{name!r} is not allowed as the name of a schema or role.")
        if not _QUOTAS.match(self.quotas):
            raise ValueError(f"{self.quotas!r} is not allowed as quotas.")

    @property
    def server(self) -> str:
        """Name of the server, as in the bind key."""
        return self.bind_key.partition("/")[0]

    @cached_property
    def opening(self) -> str:
        """The SQL sent before the first statement of each transaction: BEGIN and the guard.

        All its settings are local to the transaction, so the pool gets the connection back without
        any of them. No quoting is needed: the values are checked names, quotas, a uuid and an
        integer.
        """
        return self._opening(self.beginning, f"{self.epoch:d}")

    @property
    def passed_quotas(self) -> str:
        """What the opening selects to pass the tenant's quotas on: nothing if they are unknown."""
        return f",set_config('{QUOTAS_SETTING}','{self.quotas}',true)" if self.quotas else ""

    def _opening(self, beginning: str, epoch: str) -> str:
        role = f",set_config('role','{self.role}',true)" if self.role else ""
        return (
            f"{beginning}"
            f"SELECT set_config('search_path','{self.schema}, pg_temp',true),"
            f"set_config('trially.tenant_id','{self.tenant_id}',true){role}"
            f"{self.passed_quotas},trially.enter('{self.tenant_id}',{epoch});"
        )


@dataclass(frozen=True)
class ReplicaPlacement(Placement):
    """A placement on a read replica of its server, for transactions that only read."""

    number: int = 0
    """Index of the replica in the primary placement's `replicas`."""

    position: int = 0
    """The WAL position that the replica must have replayed."""

    @property
    def primary(self) -> str:
        """Name of the server that this replica follows."""
        return self.server.partition("@")[0]

    @cached_property
    def opening(self) -> str:
        """The SQL sent before the first statement; if the replica lags, it claims epoch -1."""
        position = f"{self.position >> 32:X}/{self.position & 0xFFFFFFFF:X}"
        return self._opening(
            "BEGIN READ ONLY;",
            f"CASE WHEN pg_last_wal_replay_lsn()>='{position}' THEN {self.epoch:d} ELSE -1 END",
        )


def on_replica(placement: Placement, number: int, position: int) -> ReplicaPlacement:
    """Return a placement on a replica by its number, valid once it has replayed `position`."""
    server, _, database = placement.bind_key.partition("/")
    return ReplicaPlacement(
        tenant_id=placement.tenant_id,
        bind_key=f"{server}@{number}/{database}",
        schema=placement.schema,
        epoch=placement.epoch,
        url=placement.replicas[number],
        other_password=placement.other_password,
        role=placement.role,
        revision=placement.revision,
        fields=placement.fields,
        number=number,
        position=position,
    )


def enter_placement(placement: Placement) -> None:
    """Set the current placement of this app context.

    Raises `WrongTenantError` if this app context already serves another tenant, and
    `PlatformRequestError` in a request to the platform API.
    """
    refuse_platform_requests("tenant")
    state = request_state()
    if state.placement is not None and state.placement.tenant_id != placement.tenant_id:
        raise WrongTenantError("This app context already serves another tenant.")
    state.placement = placement


def has_placement() -> bool:
    """Return whether a tenant has been entered in this app context."""
    return has_app_context() and request_state().placement is not None


def current_placement() -> Placement:
    """Return the current placement, or raise `NoTenantError`."""
    placement = request_state().placement if has_app_context() else None
    if placement is None:
        raise NoTenantError("No tenant has been entered, so SQL has no database to go to.")
    return placement
