"""All worker processes of a server accept tokens again as soon as their issuer is well."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crafted_tokens import AUDIENCE, TENANT_CLAIM, make_claims, sign
from flask import Flask
from http_issuers import RSA, Issuer
from members import MakeTenant
from psutil import Process

from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT, Settings
from trially.tenancy.context import tenant_context

WORKERS = 3
SUBJECT = "auth0|alice"


@pytest.fixture
def server(settings: Settings, issuer: Issuer, tmp_path: Path) -> Iterator[str]:
    """The URL of a server with several workers, which start while the issuer hangs."""
    issuer.delay = 30
    profiles = tmp_path / "issuers.toml"
    profiles.write_text(f'[[profiles]]\nissuer = "{issuer.url}"\naudiences = ["{AUDIENCE}"]\n')
    environment = {
        "PATH": "/usr/bin:/bin",
        "WEB_CONCURRENCY": str(WORKERS),
        "TRIALLY_DEVELOPMENT": "1",
        "TRIALLY_INSTANCE": str(settings.instance),
        "TRIALLY_SECRET_KEY": settings.secret_key,
        "TRIALLY_EMBEDDED_SETTINGS": ",".join(
            f"{name}={value}" for name, value in settings.embedded_settings.items()
        ),
        "TRIALLY_DATABASE_URL": "",
        "TRIALLY_ISSUER_PROFILES": str(profiles),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    command += ["--bind", "127.0.0.1:0", "wsgi:app"]
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=stderr)
    try:
        url = find_url(log)
        wait_for_workers(process.pid, url)
        yield url
    finally:
        process.terminate()
        process.wait(40)


def find_url(log: Path) -> str:
    """Return the URL that gunicorn logs when it listens."""
    for _ in range(400):
        for line in log.read_text().splitlines():
            if "Listening at: " in line:
                return line.partition("Listening at: ")[2].split()[0]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def wait_for_workers(pid: int, url: str) -> None:
    for _ in range(400):
        try:
            is_live = get(f"{url}/livez")[0] == 200
        except OSError:
            is_live = False
        if is_live and len(Process(pid).children()) == WORKERS:
            return
        time.sleep(0.05)


def get(url: str, token: str = "") -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_every_worker_recovers(
    app: Flask, issuer: Issuer, make_tenant: MakeTenant, server: str
) -> None:
    tenant = make_tenant()
    with app.app_context(), tenant_context(tenant.slug):
        add_member(SUBJECT, Role.VIEWER, issuer=issuer.url)

    def ask() -> int:
        # A token of its own each time, because each worker caches the tokens that it has verified.
        now = int(time.time())
        claims = {"iss": issuer.url, "iat": now, TENANT_CLAIM: tenant.slug, "jti": time.time()}
        return get(f"{server}/api/v1/me", sign(make_claims(**claims), RSA))[0]

    in_outage = [ask() for _ in range(4 * WORKERS)]
    issuer.repair()
    time.sleep(1.1)
    answers = [ask() for _ in range(8 * WORKERS)]

    assert in_outage == [503] * len(in_outage)
    assert answers == [200] * len(answers)
