"""Names that the tests of limits share."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from trially.rate_limits.counts import Budget
from trially.rate_limits.limiter import ExhaustedError, RateLimiter

MakeLimiter = Callable[..., RateLimiter]
"""`make_limiter(url, processes=2)` makes the limiter of one process."""

OURS, THEIRS = UUID(int=60), UUID(int=120)
"""Tenants whose windows begin with each minute of the clock."""


class Clock:
    """A clock that stands still unless a test moves it."""

    now = 6_000.0

    def __call__(self) -> float:
        return self.now


def let_through(limiter: RateLimiter, *budgets: Budget, attempts: int) -> int:
    """Send requests, and return how many are let through."""
    passed = 0
    for _ in range(attempts):
        try:
            limiter.spend(*budgets)
        except ExhaustedError:
            continue
        passed += 1
    return passed


def of_tenant(most: int, tenant_id: UUID = OURS, epoch: int = 1) -> Budget:
    """Return the budget of a tenant."""
    return Budget("tenant", tenant_id, epoch, most)


def of_member(most: int, member: int = 1, tenant_id: UUID = OURS, **options: Any) -> Budget:
    """Return the budget of a member."""
    return Budget("member", tenant_id, 1, most, UUID(int=member), **options)
