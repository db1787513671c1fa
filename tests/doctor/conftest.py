"""The doctor of a fleet, with references that all tests of a file share."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from examined import Examined
from fleets import fleet, hole

from trially.doctor.examining import doctor_of
from trially.doctor.fleet import read_fleet

__all__ = ["fleet", "hole"]


@pytest.fixture(scope="module")
def examined(fleet) -> Iterator[Examined]:
    """The places of the fleet, to be examined one by one."""
    with fleet.app.app_context(), doctor_of(read_fleet()) as doctor:
        yield Examined(fleet, lambda: replace(doctor, fleet=read_fleet()))
