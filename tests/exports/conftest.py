"""Tenants with records to export."""

from collections.abc import Callable

import pytest
from flask import Flask

from trially.jobs.worker import Worker
from trially.state import state_of


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], int]:
    """Let a worker run what waits, and return the number of jobs."""
    return lambda: Worker(app, state_of(app).settings).run_waiting()
