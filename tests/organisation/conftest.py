"""Tenants with branding, and the worker that publishes it."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from members import AsMember, MakeTenant, Member
from owners import OwnerIn, RunJobs

from trially.auth.roles import Role
from trially.jobs.worker import Worker
from trially.organisation.public.branding import PublicBranding
from trially.state import state_of
from trially.tenancy.catalog_choices import Tier


@pytest.fixture
def run_jobs(app: Flask) -> RunJobs:
    """Run all jobs that are due, let the app read what they published, and return their number."""

    def run() -> int:
        done = Worker(app, threads=1).run_due()
        state_of(app).public_branding = PublicBranding()
        return done

    return run


@pytest.fixture(scope="session")
def owner_in(make_tenant: MakeTenant, as_member: AsMember) -> OwnerIn:
    """The owner of a new tenant of a tier."""
    return lambda tier: as_member(make_tenant(tier), Role.OWNER)


@pytest.fixture
def owner(owner_in: OwnerIn) -> Member:
    """The owner of a new tenant."""
    return owner_in(Tier.POOLED_ROWS)


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A client that has not signed in."""
    return app.test_client()
