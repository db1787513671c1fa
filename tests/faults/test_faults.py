"""The quick half of `python -m faults`: short faults under load, judged without limits of speed."""

import pytest

from faults.catalogue import FAULTS
from faults.installation import installation
from faults.running import run

SECONDS = {"connections_frozen": 4.0, "catalog_away": 6.0, "second_server_suspended": 4.0}
"""Longer than the deadlines below; faults that are not listed last as long as they do, or 3 s."""

LONGEST_SECONDS = 3.0
DEADLINES = {"TRIALLY_REQUEST_TIMEOUT_MS": "2000", "TRIALLY_PLACEMENT_MAX_AGE_SECONDS": "2"}
PATIENCE_SECONDS = 20.0

QUICK = [fault for fault in FAULTS.values() if fault.is_quick]


@pytest.fixture(scope="module")
def installed():
    with installation() as installed:
        yield installed


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_a_fault_loses_nothing_and_reaches_only_its_tenants(fault, installed):
    outcome = run(
        fault,
        installed,
        before=1.5,
        seconds=SECONDS.get(fault.name, min(fault.seconds, LONGEST_SECONDS)),
        after=PATIENCE_SECONDS,
        is_patient=True,
        environment=DEADLINES,
    )
    assert outcome.acknowledged > 0
    assert outcome.complaints == ()
