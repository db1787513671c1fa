"""Fixtures of moves."""

from collections.abc import Callable

import pytest
from members import AsMember, MakePatient, MakeTenant, Member

from trially.tenancy.catalog import Tier
from trially.tenancy.lifecycle.moving import announcing


@pytest.fixture(autouse=True)
def _no_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moves not wait for other processes to open connections."""
    monkeypatch.setattr(announcing, "is_busy", lambda _source: False)


@pytest.fixture
def make_member(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient
) -> Callable[[Tier], Member]:
    """Make a member of a new tenant of a tier, which has three patients."""

    def make(tier: Tier) -> Member:
        member = as_member(make_tenant(tier))
        for _ in range(3):
            make_patient(member)
        return member

    return make
