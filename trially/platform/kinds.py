"""Kinds of tasks: who may ask for each, and the function of a command that carries it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from trially.auth.platform.permissions import PlatformPermission
from trially.platform.reporting import Report
from trially.tenancy.catalog import Operation

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """What is to be done."""

    id: UUID
    tenant_id: UUID | None
    parameters: Parameters

    @property
    def tenant(self) -> str:
        """The id of the tenant that it is about: unlike a slug, it never changes."""
        return str(self.tenant_id)


@dataclass(frozen=True)
class Outcome:
    """What came of a task."""

    result: Mapping[str, Any]
    tenant_id: UUID | None = None
    """The tenant that it has created."""


@dataclass(frozen=True)
class Kind:
    """A kind of task."""

    name: str
    permission: PlatformPermission
    carry_out: Callable[[Task, Report], Outcome]
    outcome_of: Callable[[Operation], Outcome] | None = None
    """What came of the one lifecycle operation that it begins, if another process finished it."""


KINDS: dict[str, Kind] = {}
"""The kinds by their names. The modules of `trially.platform.work` register them."""


def kind(
    name: str,
    permission: PlatformPermission,
    *,
    outcome_of: Callable[[Operation], Outcome] | None = None,
) -> Callable[[Callable[[Task, Report], Outcome]], Callable[[Task, Report], Outcome]]:
    """Return a decorator that registers the function of a kind."""

    def register(function: Callable[[Task, Report], Outcome]) -> Any:
        KINDS[name] = Kind(name, permission, function, outcome_of)
        return function

    return register
