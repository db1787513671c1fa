"""openid-client and Auth.js sign in with the issuer's URL and a client id, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant
from node_projects import install_copy, run_in
from werkzeug.serving import make_server

from trially import create_app
from trially.auth.roles import Role
from trially.config import ROOT, Settings
from trially.state import state_of

SOURCE = ROOT / "tests" / "sign_in"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test project with its packages."""
    return install_copy(SOURCE, tmp_path_factory.mktemp("sign-in"))


@pytest.fixture(scope="module")
def served(app: Flask, settings: Settings) -> Iterator[Flask]:
    """An app that is served at its public URL. `app` has installed the catalog."""
    apps: list[Any] = []
    server = make_server("127.0.0.1", 0, lambda *request: apps[0](*request), threaded=True)
    served = create_app(replace(settings, public_url=f"http://127.0.0.1:{server.server_port}"))
    apps.append(served)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("script", ["openid_client.mjs", "auth_js.mjs"])
def test_a_library_signs_in_by_discovery_alone(
    libraries: Path, served: Flask, make_tenant: MakeTenant, as_member: AsMember, script: str
) -> None:
    member = as_member(
        make_tenant(), Role.COORDINATOR, display_name="Ada Example", email="ada@example.org"
    )
    issuer = state_of(served).dev_issuer
    assert issuer is not None

    said = run_in(
        libraries,
        "node",
        script,
        ISSUER=issuer.url,
        API=state_of(served).settings.public_url,
        PERSON=member.subject,
        TENANT=member.tenant.slug,
    )

    assert "signed in, refreshed and signed out" in said
