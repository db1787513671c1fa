"""A fault of a move, and what it leaves."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from faults.scene import Scene
from trially.tenancy.catalog_choices import Tier

FIRST, SECOND = "default", "second"
Prepare = Callable[[Scene], AbstractContextManager[dict[str, str]]]
Happen = Callable[[Scene], AbstractContextManager[None]]


def nothing(_scene: Scene) -> AbstractContextManager[dict[str, str]]:
    """Prepare nothing."""
    return nullcontext({})


@dataclass(frozen=True)
class MoveFault:
    """Something that happens to a server when a step of a move begins."""

    name: str
    what: str
    """What happens, for docs/faults-of-moves.md."""

    happen: Happen = field(repr=False)
    step: str
    """The step of decision 0048 at whose beginning it happens."""

    source: tuple[Tier, str]
    """The tier and the server that the tenant leaves."""

    target: tuple[Tier, str]
    prepare: Prepare = field(default=nothing, repr=False)
    """Runs before the move, and returns changes to the mover's environment."""

    is_undone: bool = False
    """Whether the operation is undone at the end if it can be, instead of resumed."""


@dataclass(frozen=True)
class MoveOutcome:
    """What became of a move, its tenant and the load."""

    fault: MoveFault
    acknowledged: int
    findings: dict[str, int]
    """Writes that are lost, doubled, elsewhere or else amiss, by kind."""

    errors: dict[str, int]
    """Attempts that clients had to repeat, by status and cause."""

    longest_wait: float
    """The longest time in which a client waited for its answer, with all repetitions, in s."""

    one_side_after: float | None
    """The seconds until exactly one side was writable, once the fault was over; None: never."""

    end: str
    """Where the tenant is served at last: "source" or "target"."""

    ended_by: str
    """The command that ended the operation, or "mover"."""

    complaints: tuple[str, ...]

    @property
    def is_held(self) -> bool:
        return not self.complaints
