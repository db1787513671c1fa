"""What one process counts of a limit in the present minute."""

import math
from dataclasses import dataclass
from uuid import UUID

WINDOW_SECONDS = 60

TENANT = "tenant"
MEMBER = "member"
API_KEY = "api_key"
"""The kinds of budgets, as headers, problems and metrics name them."""

PARTS = 100
"""A process takes this part of a limit at once from the store, and at least one request."""

MOST_PARTS = 1000
"""A store that says that more was taken is wrong: no installation has so many processes."""


@dataclass(frozen=True)
class Budget:
    """The requests that a tenant, or one member or API key of it, may send in a minute."""

    name: str
    """The kind of the budget."""

    tenant_id: UUID
    epoch: int
    most: int
    caller_id: UUID | None = None
    """The member or API key whose budget it is. None for that of the whole tenant."""

    def key(self, window: int) -> str:
        """Return the name of the count in the store, for the window of a number.

        It holds ids and numbers only. A changed limit, or a tenant at another place, begins again.
        """
        of = self.name if self.caller_id is None else f"{self.name}:{self.caller_id}"
        return f"{self.tenant_id}:{self.epoch}:requests:{self.most}:{of}:{window}"


def share_of_process(most: int, processes: int) -> int:
    """Return how many of a limit one process may allow by itself, at least one if any."""
    return max(most // processes, min(most, 1))


def share_of_caller(most: int, share: float) -> int:
    """Return how many of a tenant's requests one caller may send, at least one if any."""
    return math.ceil(most * share)


@dataclass(frozen=True)
class Standing:
    """How much of a budget is left, as this process knows it."""

    name: str
    most: int
    left: int
    seconds: int
    """Seconds until the budget is full again."""

    used: int | None
    """How much of it was used. None if only other processes know that."""


class Count:
    """Counts one budget in one window. A lock of the caller protects it."""

    def __init__(self, budget: Budget, now: float) -> None:
        # The windows of tenants begin at different seconds, or all clients would return at once.
        offset = budget.tenant_id.int % WINDOW_SECONDS
        self.budget = budget
        self.window = int((now + offset) // WINDOW_SECONDS)
        self.ends_at = (self.window + 1) * WINDOW_SECONDS - offset
        self.part = max(1, budget.most // PARTS)
        self.is_last = budget.most == 0
        """Whether this process gets no more than it has."""

        self._granted = 0
        self._spent = 0
        self._is_alone = False
        """Whether this process counts its share only, and does not know what the others use."""

        self._taken = 0
        """What all processes have taken, as the store said last."""

    @property
    def left(self) -> int:
        """Requests that this process may still let through without asking the store."""
        return self._granted - self._spent

    @property
    def is_exhausted(self) -> bool:
        """Whether requests are refused until the window ends."""
        return self.is_last and not self.left

    def spend(self) -> None:
        """Count one request."""
        self._spent += 1

    def believes(self, taken: int) -> bool:
        """Return whether a store may be right that so much was taken, this part included."""
        least = self._granted + self.part
        return least <= taken <= self.budget.most + MOST_PARTS * self.part

    def grant(self, taken: int) -> None:
        """Add the part that was taken from the store, as far as it is within the limit."""
        excess = max(0, taken - self.budget.most)
        self._granted += max(0, self.part - excess)
        self._taken = taken
        self.is_last = excess > 0

    def use_share(self, processes: int) -> None:
        """Allow an equal share of the limit, and no more, because there is no store to ask."""
        share = share_of_process(self.budget.most, processes)
        self._granted = max(self._granted, share)
        self._taken = self.budget.most
        self._is_alone = share < self.budget.most
        self.is_last = True

    def standing(self, now: float) -> Standing:
        """Return how much of the budget is left."""
        left = max(0, self.budget.most - self._taken) + self.left
        seconds = max(1, math.ceil(self.ends_at - now))
        used = None if self._is_alone else self.budget.most - left
        return Standing(self.budget.name, self.budget.most, left, seconds, used)
