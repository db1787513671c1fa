"""A fault, and what it is allowed to do."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum

from faults.scene import Scene


class Reach(Enum):
    """The tenants whose requests may fail or wait during a fault."""

    NOBODY = "nobody"
    ONE = "one tenant"
    FIRST_SERVER = "the tenants of the first server"
    SECOND_SERVER = "the tenants of the second server"
    EVERYONE = "everyone"


VICTIM = "dedicated-one"
"""The tenant that a fault of one tenant hits."""

Prepare = Callable[[Scene], AbstractContextManager[dict[str, str]]]
Happen = Callable[[Scene], AbstractContextManager[None]]


def nothing(_scene: Scene) -> AbstractContextManager[dict[str, str]]:
    """Prepare nothing."""
    return nullcontext({})


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for some seconds under load."""

    name: str
    what: str
    """What happens, for docs/faults.md."""

    happen: Happen
    """Begins the fault, and ends it."""

    reach: Reach
    seconds: float = 6.0
    """How long it lasts under load."""

    prepare: Prepare = nothing
    """Runs before gunicorn starts, and returns changes to its environment."""

    recovery_seconds: float = 5.0
    """The longest time after the fault in which clients may still notice it."""

    p99_limit_ms: float | None = None
    """A limit of its own for the p99 of the tenants that it may not reach."""

    may_break_connections: bool = False
    """Whether anyone's connections may break, because a process that held them has ended."""

    is_before_start: bool = False
    """Whether it begins before gunicorn starts."""

    is_live: bool = True
    """Whether /livez must answer during the fault."""

    refusals: frozenset[str] = field(default_factory=frozenset)
    """The only codes of problems that clients may see, if not empty."""

    is_of_patroni: bool = False
    """Whether the first server is a cluster of Patroni."""

    is_quick: bool = False
    """Whether the test suite runs it."""
