"""Try to migrate one place, more than once if the cause passes, and describe what failed."""

import time
from dataclasses import dataclass, field
from threading import Event

from sqlalchemy.exc import DBAPIError

from trially.tenancy.migrating.owning import MigrationEngine, Owned
from trially.tenancy.migrating.pacing import is_lost_server, pause_after
from trially.tenancy.migrating.places import Place
from trially.tenancy.migrating.visiting import revision_after_failure, visit
from trially.tenancy.schema.failures import PASSING, describe_failure
from trially.tenancy.schema.stepping import Steps

LONGEST_STATEMENT = 1_000
ATTEMPTS_TO_CONNECT = 2
"""Attempts after a lost connection. The run then asks whether the server answers at all."""


@dataclass(frozen=True)
class Failure:
    """Why a place could not be migrated."""

    reason: str
    sqlstate: str | None = None
    statement: str | None = None

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Describe an error without the values of a row."""
        original = getattr(error, "orig", None) or error
        statement = error.statement if isinstance(error, DBAPIError) else None
        return cls(
            describe_failure(error),
            getattr(original, "pgcode", None),
            None if statement is None else " ".join(statement.split())[:LONGEST_STATEMENT],
        )


@dataclass(frozen=True)
class Attempted:
    """The outcome of the attempts on one place."""

    place: Place
    former: str | None
    revision: str | None
    attempts: int
    ms: int
    failure: Failure | None = None
    error: BaseException | None = field(default=None, repr=False)
    is_unreachable: bool = False
    is_skipped: bool = False
    """Whether an operation works on the tenant, so that nothing was tried."""


@dataclass(frozen=True)
class Patience:
    """How long a place is waited for."""

    lock_timeout_ms: int = 2_000
    """Longest wait for a lock. Requests that want the same table wait for as long behind it."""

    attempts: int = 5


def attempt(
    place: Place,
    engine: MigrationEngine,
    steps: Steps,
    target: str,
    patience: Patience,
    stopping: Event,
) -> Attempted:
    """Migrate a place, and try again after a cause that passes, with growing pauses."""
    began = time.perf_counter()
    former: str | None = place.revision
    after: list[str | None] = []

    def migrate(owned: Owned) -> str | None:
        try:
            return visit(place, owned, steps, target)
        except BaseException:
            after[:] = [revision_after_failure(place, owned)]
            raise

    for number in range(1, patience.attempts + 1):
        try:
            with engine.as_owner(place, patience.lock_timeout_ms) as owned:
                former = owned.found.revision
                revision = migrate(owned)
        except Exception as error:  # noqa: BLE001  other places must be visited
            failure = Failure.of(error)
            if number >= _longest(error, failure, patience) or stopping.is_set():
                revision = after[0] if after else former
                return Attempted(place, former, revision, number, _ms(began), failure, error)
            stopping.wait(pause_after(number))
        else:
            return Attempted(place, former, revision, number, _ms(began))
    raise AssertionError("There is at least one attempt.")


def _longest(error: Exception, failure: Failure, patience: Patience) -> int:
    """Return how many attempts an error is worth."""
    if is_lost_server(error):
        return min(ATTEMPTS_TO_CONNECT, patience.attempts)
    return patience.attempts if failure.sqlstate in PASSING else 1


def _ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
