"""A Bulk Data server and a client's key, which all tests of exports share."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recruiting.imports.bulk.bulk_server import (
    OBSERVATIONS,
    PATIENTS,
    RSA_KEY,
    BulkServer,
    running_server,
)
from trially.recruiting.imports.bulk import retrying


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BulkServer]:
    """A server with patients and observations, for a client that does not pause."""
    monkeypatch.setattr(retrying, "SHORTEST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(retrying, "FIRST_PAUSE_SECONDS", 0.001)
    with running_server(RSA_KEY) as state:
        state.files = {"output": [("Observation", OBSERVATIONS), ("Patient", PATIENTS)]}
        yield state


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The client's private key, as a JWK."""
    path = tmp_path / "key.jwk"
    path.write_text(json.dumps(RSA_KEY.as_dict(private=True)))
    path.chmod(0o600)
    return path
