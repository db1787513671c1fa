"""Fixtures of exports."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from trially.jobs.worker import Worker
from trially.tenancy.catalog_sessions import control_engine


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], int]:
    """Run all jobs that are due, and return their number."""
    return Worker(app, threads=1).run_due


@pytest.fixture(scope="module", autouse=True)
def _no_job_is_left(app: Flask) -> Iterator[None]:
    yield
    with app.app_context(), control_engine().begin() as catalog:
        catalog.execute(
            text("UPDATE job_wakeup SET seen_generation = generation, queued = 0, running = 0")
        )
