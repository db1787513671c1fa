"""Fixtures of moves."""

from collections.abc import Callable

import pytest
from members import Member

from trially.tenancy.catalog import Tier
from trially.tenancy.lifecycle.moving import announcing, lost_connections


@pytest.fixture(autouse=True)
def _no_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moves not wait for other processes to open connections."""
    monkeypatch.setattr(announcing, "is_busy", lambda _source: False)


@pytest.fixture
def member(make_member: Callable[[Tier], Member]) -> Member:
    """A member of a pooled tenant with three patients."""
    return make_member(Tier.POOLED_ROWS)


@pytest.fixture
def without_delay(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a move begin again at once, and return how often it does."""
    monkeypatch.setattr(lost_connections, "WAITS_SECONDS", (0.0, 0.0))
    return 2
