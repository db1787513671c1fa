"""An issuer on loopback that tests can break."""

from collections.abc import Iterator

import pytest
from http_issuers import Issuer


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()
