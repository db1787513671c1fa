"""Two silos and the shared installation behind one nginx: the instance of each request."""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from silo_installations import (
    Answer,
    Running,
    ask,
    environment_of,
    free_port,
    is_ready,
    listens,
    start_command,
    start_instance,
    start_router,
    wait_until,
    words_of,
)

from trially.auth.roles import Role
from trially.config import Settings
from trially.dev_issuer import KEY_FILE, PATH, DevIssuer
from trially.embedded_postgres.sharing import stop_using
from trially.embedded_postgres.watcher import is_running
from trially.tenancy.servers.administrator import EMBEDDED_DIRECTORY

SILOS = ("alpha", "beta")
SUBJECT = "someone|of-two-silos"
PATIENT = {
    "mrn": "MRN-1",
    "given_name": "Ada",
    "family_name": "Example",
    "birth_date": "1960-05-17",
    "sex": "female",
}


@dataclass
class Installations:
    """Everything behind the router, and the router."""

    router: Running
    silos: dict[str, Running]
    shared: Running
    shared_slug: str
    tokens: dict[str, str]

    def ask(self, whose: str, path: str, *rest: Any, **headers: Any) -> Answer:
        """Send a request through the router with the token for a tenant."""
        bearer = {"Authorization": f"Bearer {self.tokens[whose]}"}
        return ask(self.router.port, path, *rest, headers={**bearer, **headers})


@pytest.fixture(scope="module")
def installations(
    app: Flask, settings: Settings, make_tenant: Callable[..., Any], as_member: Callable[..., Any]
) -> Iterator[Installations]:
    """Start everything as an operator would, and stop it."""
    base = Path(tempfile.mkdtemp(prefix="trially-silos-"))
    base.chmod(0o711)
    ports = {name: free_port() for name in (*SILOS, "shared", "router")}
    public_url = f"http://127.0.0.1:{ports['shared']}"
    issuer = DevIssuer(
        url=public_url + PATH,
        key_file=settings.instance / KEY_FILE,
        audience=settings.audiences[0],
        tenant_claim=settings.tenant_claim,
    )
    losable = ",".join(f"{name}={value}" for name, value in settings.embedded_settings.items())
    common = {"TRIALLY_PUBLIC_URL": public_url, "TRIALLY_EMBEDDED_SETTINGS": losable}
    tenant = make_tenant(slug="shared-one")
    member = as_member(tenant, Role.ADMIN, issuer=issuer.url)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, base)
        for slug in SILOS:
            stack.callback(_stop_server, base / slug / EMBEDDED_DIRECTORY)

        def start(slug: str, environment: dict[str, str]) -> Running:
            running = start_instance(environment, ports[slug], base / f"{slug}.log")
            stack.callback(running.stop)
            return running

        shared = start(
            "shared",
            environment_of(settings.instance, TRIALLY_SECRET_KEY=settings.secret_key, **common),
        )
        environments = {}
        for slug in SILOS:
            _write_silo(app, slug, base / slug, ports)
            environments[slug] = environment_of(
                base / slug, TRIALLY_DEV_ISSUER="0", TRIALLY_ISSUERS=issuer.url, **common
            )
        silos = {slug: start(slug, environments[slug]) for slug in SILOS}
        creating = {
            slug: start_command(
                environments[slug],
                base / f"{slug}.log",
                *("tenants", "create", slug, "--name", slug.title(), "--owner", SUBJECT),
            )
            for slug in SILOS
        }
        for slug, process in creating.items():
            assert process.wait(120) == 0, silos[slug].log.read_text()
        (base / "router").mkdir()
        router = start_router(
            base / "router", [base / slug / "nginx" for slug in SILOS], ports["router"]
        )
        stack.callback(router.stop)
        wait_until(lambda: listens(router), router)
        for each in (shared, *silos.values()):
            wait_until(lambda each=each: is_ready(each), each)
        subjects = {**dict.fromkeys(SILOS, SUBJECT), tenant.slug: member.subject}
        tokens = {
            slug: issuer.issue_token(subject=subject, tenant=slug)
            for slug, subject in subjects.items()
        }
        yield Installations(router, silos, shared, tenant.slug, tokens)


def _write_silo(app: Flask, slug: str, folder: Path, ports: dict[str, int]) -> None:
    options = {
        "--out": folder,
        "--name": slug.title(),
        "--port": ports[slug],
        "--shared": f"127.0.0.1:{ports['shared']}",
        "--host-name": f"{slug}.example.org",
    }
    words = [str(word) for option in options.items() for word in option]
    result = app.test_cli_runner().invoke(args=["tenants", "silo", slug, *words])
    assert result.exit_code == 0, result.output


def _stop_server(folder: Path) -> None:
    stop_using(folder)
    while is_running(folder):
        time.sleep(0.05)


def test_each_request_reaches_its_tenants_own_instance(installations: Installations) -> None:
    shared = installations.shared_slug
    for slug in SILOS:
        for path, headers in (
            (f"/{slug}/api/v1/me", {}),
            ("/api/v1/me", {"X-Tenant-ID": slug}),
            ("/api/v1/me", {"Host": f"{slug}.example.org"}),
        ):
            answer = installations.ask(slug, path, **headers)
            assert (answer.status, answer.body["tenant"]["slug"]) == (200, slug)
    for path in (f"/{shared}/api/v1/me", "/api/v1/me"):
        answer = installations.ask(shared, path)
        assert (answer.status, answer.body["tenant"]["slug"]) == (200, shared)

    added = installations.ask("alpha", "/alpha/api/v1/patients", "POST", PATIENT)
    patients = {
        slug: installations.ask(slug, f"/{slug}/api/v1/patients").body["data"] for slug in SILOS
    }

    assert added.status == 201
    assert [patient["mrn"] for patient in patients["alpha"]] == ["MRN-1"]
    assert patients["beta"] == []
    # The router logs a request after its answer.
    expected = {
        ("GET", "trially_silo_alpha"): 4,
        ("POST", "trially_silo_alpha"): 1,
        ("GET", "trially_silo_beta"): 4,
        ("GET", "trially_shared"): 2,
    }
    wait_until(lambda: _routed(installations) == expected)


def _routed(installations: Installations) -> Mapping[tuple[str, str], int]:
    """Count the requests in the router's log by method and instance."""
    lines = (installations.router.log / "access.log").read_text().splitlines()
    return Counter((line["method"], line["instance"]) for line in map(json.loads, lines))


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/beta/api/v1/me", {}),
        ("/nobody/api/v1/me", {}),
        ("/shared-one/api/v1/me", {}),
        ("/api/v1/me", {}),
        ("/api/v1/me", {"X-Tenant-ID": "beta"}),
        ("/api/v1/me", {"X-Tenant-ID": "nobody"}),
        ("/api/v1/me", {"X-Tenant-ID": "ALPHA"}),
        ("/api/v1/me", {"X-Tenant-ID": "alpha, beta"}),
        ("/api/v1/me", {"X-Tenant-ID": ["alpha", "beta"]}),
        ("/api/v1/me", {"X-Tenant-ID": ["beta", "alpha"]}),
        ("/api/v1/me", {"X-Tenant-ID": ""}),
        ("/api/v1/me", {"X-Tenant-ID": "trially_silo_alpha"}),
        ("/api/v1/me", {"Host": "beta.example.org"}),
        ("/api/v1/me", {"Host": "beta.example.org", "X-Tenant-ID": "alpha"}),
        ("/alpha/api/v1/me", {"Host": "beta.example.org"}),
        ("/alpha/api/v1/me", {"X-Tenant-ID": "beta"}),
        ("/beta/api/v1/me", {"X-Tenant-ID": "alpha"}),
        ("/beta/api/v1/me", {"Host": "alpha.example.org"}),
        ("/nobody/api/v1/me", {"X-Tenant-ID": "alpha"}),
        ("/%62eta/api/v1/me", {}),
        ("/api/v1/me", {"X-Forwarded-Host": "alpha.example.org"}),
        ("/api/v1/me", {"X-Forwarded-Prefix": "/alpha", "X_Tenant_ID": "alpha"}),
        ("/api/v1/me", {"Forwarded": "host=alpha.example.org"}),
    ],
)
def test_no_path_header_or_host_takes_a_token_to_another_tenant(
    installations: Installations, refusal: Answer, path: str, headers: dict[str, str]
) -> None:
    assert installations.ask("alpha", path, **headers) == refusal


@pytest.fixture
def refusal(installations: Installations) -> Answer:
    """The response of the shared installation to a token for an unknown tenant."""
    bearer = {"Authorization": f"Bearer {installations.tokens['alpha']}"}
    answer = ask(installations.router.port, "/nobody/api/v1/me", headers=bearer)
    assert answer.status == 403
    assert answer.body["detail"] == "You have no access to this tenant."
    return answer


def test_without_a_token_all_responses_are_alike(installations: Installations) -> None:
    slugs = ("nobody", installations.shared_slug, *SILOS)
    first, *others = [ask(installations.router.port, f"/{slug}/api/v1/me") for slug in slugs]

    assert first.status == 401
    assert others == [first] * len(others)


def test_instances_and_the_router_write_nothing_of_others(installations: Installations) -> None:
    for whose in ("alpha", "beta"):
        installations.ask(whose, "/beta/api/v1/patients?family_name=Canary", "POST", PATIENT)
    wait_until(lambda: _routed(installations)["POST", "trially_silo_beta"] == 2)
    written, routed = words_of(installations.silos["beta"]), words_of(installations.router)

    assert '"route":"/api/v1/patients"' in written
    assert "alpha" not in written
    assert "/api/v1" not in (installations.router.log / "access.log").read_text()
    for word in ("Canary", "family_name"):
        assert word not in written + routed


def test_a_silo_that_is_down_does_not_affect_others(installations: Installations) -> None:
    installations.silos["beta"].stop()

    down = installations.ask("beta", "/beta/api/v1/me?family_name=Canary")

    assert (down.status, down.body["type"]) == (503, "/problems/service-unavailable")
    assert "retry-after" in down.header_names
    assert installations.ask("alpha", "/alpha/api/v1/me").status == 200
    shared = installations.shared_slug
    assert installations.ask(shared, f"/{shared}/api/v1/me").status == 200
    assert "Canary" not in words_of(installations.router)
