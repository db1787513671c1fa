"""Fixtures of several files."""

from collections.abc import Callable

import pytest
from fleets import fleet
from members import AsMember, MakePatient, MakeTenant, Member
from operator_records import Records, records

from trially.tenancy.catalog_choices import Tier

__all__ = ["Records", "fleet", "records"]


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
