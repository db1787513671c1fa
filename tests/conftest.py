"""Fixtures of all tests: one embedded PostgreSQL, one app, and factories of tenants and members."""

import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from borrowed_tenants import BorrowTenant, Lender
from encrypted_tenants import encrypt
from flask import Flask
from flask.testing import FlaskCliRunner
from installed_postgres import installed_binaries, running_installed_server
from members import AsMember, MakeFact, MakePatient, MakeTenant, Member
from poolers import Pooler, running_pooler
from sqlalchemy import URL, insert
from tenant_databases import TIERS, access_of, remove_installation
from tokens import token
from uuid_utils.compat import uuid7

from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT, Settings, read_settings
from trially.database.session import db, transaction
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import DATA, find_postmaster, is_running
from trially.recruiting.records.model import ClinicalFact
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.installing import install
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

__all__ = ["token"]

pytest_plugins = ["in_parallel"]

SHARED_DATA = ROOT.parent / "shared" / "data"
FAST_AND_LOSABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Tests make hundreds of databases. By default, autovacuum visits each of them every minute.
    "autovacuum_naptime": "1d",
}

ARE_ENCRYPTED = bool(os.environ.get("TEST_ENCRYPTED"))
"""Encrypt the fields of all tenants: so the tests of recruiting show what encryption changes."""

_numbers = itertools.count(1)


@pytest.fixture
def _push_request_context() -> None:
    """Replace pytest-flask's fixture of this name by an empty one.

    pytest-flask keeps one app context open for a whole test. All requests of the test would share
    it, and so the session: one tenant's request would use another tenant's session.
    """


@pytest.fixture(scope="session")
def instance() -> Iterator[Path]:
    """An instance folder. PostgreSQL runs as another user, who cannot enter pytest's own folder."""
    folder = Path(tempfile.mkdtemp(prefix="trially-tests-"))
    yield folder
    server = folder / EMBEDDED_DIRECTORY
    postmaster = find_postmaster(server / DATA)
    if postmaster is not None:
        # Its data is removed at once, so it need not write a checkpoint first.
        os.kill(postmaster.process_id, signal.SIGQUIT)
    stop_using(server)
    while is_running(server):
        time.sleep(0.05)
    # Hundreds of databases have so many files that shutil.rmtree takes twice as long.
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture(scope="session")
def database_url() -> Iterator[URL | None]:
    """The URL of a server that `TEST_POSTGRES_BIN` asks for; None for the embedded one."""
    binaries = installed_binaries()
    if binaries is None:
        yield None
        return
    with running_installed_server(binaries, FAST_AND_LOSABLE) as url:
        yield url


@pytest.fixture(scope="session")
def settings(instance: Path, database_url: URL | None) -> Settings:
    """Settings of a development machine, with their own instance folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIALLY_DEVELOPMENT", "1")
        patch.setenv("TRIALLY_SECRET_KEY", "a secret of the tests alone, 32 characters")
        patch.delenv("TRIALLY_DATABASE_URL", raising=False)
        read = read_settings(instance)
    return replace(
        read,
        instance=instance,
        database_url=database_url,
        embedded_settings=FAST_AND_LOSABLE,
        # Each app sends its usage for as long as the process runs, and the tests make hundreds.
        usage_flush_seconds=300.0,
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    """The app, with the catalog installed."""
    app = create_app(settings)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with app.app_context():
        install()
    return app


@pytest.fixture(scope="session")
def make_tenant(app: Flask) -> MakeTenant:
    """Create a tenant: dedicated database by default."""

    def make(tier: Tier = Tier.DEDICATED_DATABASE, **options: Any) -> Tenant:
        number = next(_numbers)
        options.setdefault("slug", f"tenant-{number}")
        options.setdefault("name", f"Tenant {number}")
        with app.app_context():
            tenant = create_tenant(tier=tier, **options)
        return encrypt(app, tenant) if ARE_ENCRYPTED else tenant

    return make


@pytest.fixture(scope="session")
def lender(app: Flask, make_tenant: MakeTenant) -> Lender:
    """The tenants that tests borrow."""
    return Lender(app, make_tenant)


@pytest.fixture
def borrow_tenant(lender: Lender) -> Iterator[BorrowTenant]:
    """Lend a test an empty tenant, which other tests use after it."""
    borrowed = []

    def borrow(tier: Tier = Tier.DEDICATED_DATABASE) -> Tenant:
        if tier is Tier.POOLED_ROWS:  # This takes no longer than to empty one.
            return lender.make_tenant(tier)
        tenant, known = lender.lend(tier)
        borrowed.append((tier, tenant, known))
        return tenant

    yield borrow
    for each in borrowed:
        lender.take_back(*each)


@pytest.fixture(scope="module", params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each tier in turn."""
    return Tier(request.param)


@pytest.fixture(scope="session")
def pooler(app: Flask) -> Iterator[Pooler]:
    """A PgBouncer in transaction mode in front of the server."""
    with running_pooler(app) as running:
        yield running


@pytest.fixture(scope="session")
def pooled_app(settings: Settings, pooler: Pooler) -> Flask:
    """A second app of the same installation; its tenants' transactions go through the pooler."""
    pooled = create_app(replace(settings, pooler_url=pooler.url))
    pooled.testing = True
    pooled.config["PROPAGATE_EXCEPTIONS"] = False
    return pooled


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    """A new tenant without data."""
    return make_tenant()


@pytest.fixture(scope="session")
def as_member(app: Flask) -> AsMember:
    """Add a member to a tenant (an administrator by default), and return an HTTP client of it."""

    def make(tenant: Tenant, role: Role = Role.ADMIN, **options: Any) -> Member:
        subject = f"member|{next(_numbers)}"
        with app.app_context(), tenant_context(str(tenant.id)):
            add_member(subject, role, **options)
        token = state_of(app).dev_issuer.issue_token(subject=subject, tenant=tenant.slug)
        return Member(app.test_client(), token, tenant, subject)

    return make


@pytest.fixture
def member(tenant: Tenant, as_member: AsMember) -> Member:
    """An administrator of `tenant`."""
    return as_member(tenant)


@pytest.fixture(scope="module")
def shared_member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """An administrator of a tenant that all tests of a file share."""
    return as_member(make_tenant())


@pytest.fixture(scope="session")
def make_patient() -> MakePatient:
    """Create a patient through the API, and return the answer."""

    def make(member: Member, **values: Any) -> dict[str, Any]:
        number = next(_numbers)
        body = {
            "mrn": f"MRN-{number}",
            "given_name": "Ada",
            "family_name": "Example",
            "birth_date": "1960-05-17",
            "sex": "female",
            **values,
        }
        answer = member.post("/patients", json=body)
        assert answer.status_code == 201, answer.json
        return dict(answer.json)

    return make


@pytest.fixture(scope="session")
def make_fact(app: Flask) -> MakeFact:
    """Insert a record of a patient into a tenant's database, and return its id."""

    def make(tenant: Tenant, patient_id: str, **values: Any) -> str:
        fact = {
            "id": uuid7(),
            "tenant_id": tenant.id,
            "patient_id": UUID(patient_id),
            "type": "observation",
            "code_system": "http://loinc.org",
            "code": "4548-4",
            "source": "fhir",
            "source_type": "Observation",
            "source_id": str(next(_numbers)),
            "content_hash": b"-",
            **values,
        }
        with app.app_context(), tenant_context(str(tenant.id)), transaction():
            db.session.execute(insert(ClinicalFact).values(fact))
        return str(fact["id"])

    return make


@pytest.fixture
def run_command(app: Flask) -> Iterator[Callable[..., Any]]:
    """Run a `flask` command, and return the result of click's test runner."""
    runner: FlaskCliRunner = app.test_cli_runner()

    def run(*arguments: str | Path) -> Any:
        return runner.invoke(args=[str(argument) for argument in arguments])

    return run


@pytest.fixture
def blank_app(app: Flask, settings: Settings) -> Iterator[Callable[..., Flask]]:
    """Make apps of an installation that has no catalog yet, and may be in production."""
    catalog = f"other_{uuid4().hex[:8]}"

    def make(**changes: Any) -> Flask:
        url = access_of(app).admin_url
        return create_app(replace(settings, database_url=url, catalog_database=catalog, **changes))

    yield make
    remove_installation(app, catalog)


@pytest.fixture
def own_app(blank_app: Callable[..., Flask]) -> Iterator[Flask]:
    """An installation with no tenants but a test's own, for commands that visit them all."""
    own = blank_app()
    with own.app_context():
        install()
    yield own
    with own.app_context():
        control_engine().dispose()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data. It is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"There is no folder {SHARED_DATA} with real data.")
    return SHARED_DATA
