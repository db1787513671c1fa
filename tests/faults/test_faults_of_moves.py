"""The quick half of `python -m faults.moves`."""

import pytest

from faults.moves.catalogue import MOVE_FAULTS, QUICK
from faults.moves.installing import new_installation
from faults.moves.running import run


@pytest.fixture(scope="module")
def installed():
    with new_installation() as installed:
        yield installed


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_during_a_move_loses_nothing_and_leaves_nothing(name, installed):
    outcome = run(MOVE_FAULTS[name], installed)

    assert outcome.acknowledged > 0
    assert outcome.complaints == ()
