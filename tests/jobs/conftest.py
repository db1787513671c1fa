"""Fixtures of jobs."""

from collections.abc import Callable, Iterator

import job_kinds
import pytest
from flask import Flask
from members import MakeTenant
from sqlalchemy import text

from trially.jobs.worker import Worker
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], int]:
    """Run all jobs that are due, and return their number."""
    return Worker(app, threads=1).run_due


@pytest.fixture
def pooled(make_tenant: MakeTenant) -> Tenant:
    """A new tenant, which is created fastest."""
    return make_tenant(Tier.POOLED_ROWS)


@pytest.fixture(scope="module", autouse=True)
def _no_job_is_left(app: Flask) -> Iterator[None]:
    """Run what tests before have left, and let no worker be missing to the tests after these."""
    Worker(app, threads=1).run_due()
    yield
    with app.app_context(), control_engine().begin() as catalog:
        catalog.execute(
            text("UPDATE job_wakeup SET seen_generation = generation, queued = 0, running = 0")
        )


@pytest.fixture(autouse=True)
def _only_own_hooks() -> Iterator[None]:
    before = dict(job_kinds.hooks)
    yield
    job_kinds.hooks.clear()
    job_kinds.hooks.update(before)
