"""Fixtures of moves."""

import pytest

from trially.tenancy.lifecycle.moving import announcing


@pytest.fixture(autouse=True)
def _no_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moves not wait for other processes to open connections."""
    monkeypatch.setattr(announcing, "is_busy", lambda _source: False)
