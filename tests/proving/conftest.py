import json

import pytest
from fleets import fleet, hole
from proofs import ALL

from trially.request_cycle import refusal_time

__all__ = ["fleet", "hole"]


@pytest.fixture(scope="module", autouse=True)
def _refuse_at_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)
        yield


@pytest.fixture
def attempts_on(fleet):
    """Attack one tenant as all others; return the result of the command and the attempts."""

    def attack(slug):
        result = fleet.run("tenants", "prove", slug, *ALL)
        attempts = json.loads(result.stdout)["report"]["attempts"]
        return result, attempts

    return attack
