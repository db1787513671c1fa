"""Fixtures of the whole suite: one embedded PostgreSQL, one app, tenants made on demand."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient, FlaskCliRunner
from poolers import Pooler, running_pooler
from sqlalchemy import insert
from tenant_databases import TIERS
from uuid_utils.compat import uuid7
from werkzeug.test import TestResponse

from trially import create_app
from trially.auth.members.managing import add_member
from trially.auth.permissions import Role
from trially.config import ROOT, Settings, read_settings
from trially.database.session import db, transaction
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import is_running
from trially.recruiting.records.model import ClinicalFact
from trially.state import state_of
from trially.tenancy.catalog import Tenant, Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.installing import install
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

pytest_plugins = ["in_parallel"]

SHARED_DATA = ROOT.parent / "shared" / "data"
FAST_AND_LOSABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_numbers = itertools.count(1)


class Member:
    """An HTTP client of one member of one tenant."""

    def __init__(self, client: FlaskClient, token: str, tenant: Tenant, subject: str) -> None:
        self._client = client
        self.token = token
        self.tenant = tenant
        self.subject = subject

    def through(self, app: Flask) -> "Member":
        """Return a client of the same member that asks another app of this installation."""
        return Member(app.test_client(), self.token, self.tenant, self.subject)

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        prefix = "" if path.startswith("/api/") else "/api/v1"
        return self._client.open(prefix + path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.request("POST", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        options["headers"] = {
            "Content-Type": "application/merge-patch+json",
            **self._seen(path, options.get("headers", {})),
        }
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        options["headers"] = self._seen(path, options.get("headers", {}))
        return self.request("DELETE", path, **options)

    def _seen(self, path: str, headers: dict[str, str]) -> dict[str, str]:
        """Say that what is to be changed has been seen as it is, unless `headers` say more."""
        if "If-Match" in headers:
            return headers
        return {"If-Match": self.get(path).headers.get("ETag", "*"), **headers}


MakeTenant = Callable[..., Tenant]
AsMember = Callable[..., Member]


@pytest.fixture
def _push_request_context() -> None:
    """Undo pytest-flask's fixture of this name.

    It keeps one app context open for a whole test, which all requests of the test would share:
    with it one tenant's session would be another's.
    """


@pytest.fixture(scope="session")
def instance() -> Iterator[Path]:
    """An instance folder, outside pytest's own: that one is closed to the server's user."""
    folder = Path(tempfile.mkdtemp(prefix="trially-tests-"))
    yield folder
    server = folder / EMBEDDED_DIRECTORY
    stop_using(server)
    while is_running(server):
        time.sleep(0.05)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def settings(instance: Path) -> Settings:
    """Settings of a developer's machine, with an instance folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIALLY_DEVELOPMENT", "1")
        patch.setenv("TRIALLY_SECRET_KEY", "a secret of the tests alone, 32 characters")
        patch.delenv("TRIALLY_DATABASE_URL", raising=False)
        read = read_settings(instance)
    return replace(read, instance=instance, embedded_settings=FAST_AND_LOSABLE)


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    """The app, on an installed catalog."""
    app = create_app(settings)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with app.app_context():
        install()
    return app


@pytest.fixture(scope="session")
def make_tenant(app: Flask) -> MakeTenant:
    """Make a tenant, in the tier given or the default one."""

    def make(tier: Tier = Tier.DEDICATED_DATABASE, **wanted: Any) -> Tenant:
        number = next(_numbers)
        wanted.setdefault("slug", f"tenant-{number}")
        wanted.setdefault("name", f"Tenant {number}")
        with app.app_context():
            return create_tenant(tier=tier, **wanted)

    return make


@pytest.fixture(scope="module", params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each tier in turn, for the tests of a module that ask for it."""
    return Tier(request.param)


@pytest.fixture(scope="session")
def pooler(app: Flask) -> Iterator[Pooler]:
    """A PgBouncer in transaction mode, in front of the server."""
    with running_pooler(app, server_login_retry="1") as running:
        yield running


@pytest.fixture(scope="session")
def pooled_app(settings: Settings, pooler: Pooler) -> Flask:
    """The app once more, with its tenants' transactions through the pooler."""
    pooled = create_app(replace(settings, pooler_url=pooler.url))
    pooled.testing = True
    pooled.config["PROPAGATE_EXCEPTIONS"] = False
    return pooled


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    """A tenant."""
    return make_tenant()


@pytest.fixture(scope="session")
def as_member(app: Flask) -> AsMember:
    """Make a client of a new member of a tenant, who has the role given."""

    def make(tenant: Tenant, role: Role = Role.ADMIN, **granted: Any) -> Member:
        subject = f"member|{next(_numbers)}"
        with app.app_context(), tenant_context(str(tenant.id)):
            add_member(subject, role, **granted)
        token = state_of(app).dev_issuer.issue_token(subject=subject, tenant=tenant.slug)
        return Member(app.test_client(), token, tenant, subject)

    return make


@pytest.fixture
def member(tenant: Tenant, as_member: AsMember) -> Member:
    """An administrator of `tenant`."""
    return as_member(tenant)


@pytest.fixture(scope="module")
def shared_member(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """An administrator of a tenant that the tests of one file share."""
    return as_member(make_tenant())


@pytest.fixture(scope="session")
def make_patient() -> Callable[..., dict[str, Any]]:
    """Add a patient as a member, and return what the API answers."""

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
def make_fact(app: Flask) -> Callable[..., str]:
    """Write a record of a patient into a tenant's database, and return its id."""

    def make(tenant: Tenant, patient_id: str, **values: Any) -> str:
        fact = {
            "id": uuid7(),
            "tenant_id": tenant.id,
            "patient_id": UUID(patient_id),
            "type": "observation",
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
    """Run a command of `flask`, and return what click's runner returns."""
    runner: FlaskCliRunner = app.test_cli_runner()

    def run(*arguments: str | Path) -> Any:
        return runner.invoke(args=[str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data, which a user's clone has not got."""
    if not SHARED_DATA.is_dir():
        pytest.skip("The folder of real data is not beside this clone.")
    return SHARED_DATA
