import pytest
from fleets import fleet

from trially.request_cycle import refusal_time

__all__ = ["fleet"]


@pytest.fixture(scope="module", autouse=True)
def _refuse_at_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusal_time, "REFUSAL_SECONDS", 0.001)
        yield
