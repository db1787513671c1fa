"""The example web app, driven in a headless browser against a server of its own."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen
from uuid import UUID

import pytest
from examples import EXAMPLES
from flask import Flask
from members import MakePatient, Member
from node_projects import require_node, run_in
from sqlalchemy import insert
from uuid_utils.compat import uuid7
from werkzeug.serving import make_server

from tests.recruiting.study_matching.due_jobs import run_due_jobs
from tests.recruiting.study_matching.matched_studies import add_study
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.recruiting.patients.model import Patient
from trially.recruiting.records.model import ClinicalFact
from trially.recruiting.studies.model import Study
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.schema.installing import install

EXAMPLE = ROOT / "examples" / "nextjs"
SHORT_LIFE_SECONDS = 63
"""Tokens are renewed in their last minute, so the app renews them every three seconds."""

PEOPLE = (
    ("Cora Coordinator", Role.COORDINATOR),
    ("Vera Viewer", Role.VIEWER),
    ("Axel Auditor", Role.AUDITOR),
    ("Sam Several", Role.ADMIN),
)
NOTE = "Fébrile <script>alert(1)</script> with chest pain."
ADA = {
    "mrn": "N-1",
    "given_name": "Ada",
    "family_name": "Testerly",
    "phone": "555-0100",
    "address": {"city": "Superior"},
}

BRANDINGS = {
    "north": {
        "product_name": "North Trials",
        "primary_color": "#1d3557",
        "on_primary_color": "#ffffff",
        "accent_color": "#6b2168",
    },
    "south": {
        "product_name": "South Studies",
        "primary_color": "#7a2e0e",
        "on_primary_color": "#ffffff",
        "accent_color": "#7a2e0e",
    },
}
LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8" width="32" height="32">'
    b'<circle cx="4" cy="4" r="4" fill="#1d3557"/></svg>'
)

CRITERIA = [
    {
        "kind": "inclusion",
        "statement": "Age of 18 years or more",
        "expression": {"age": {"gte": 18}},
    },
    {
        "kind": "inclusion",
        "statement": "HbA1c of at least 7 %",
        "expression": {
            "observation": {
                "in": {"codes": ["loinc|4548-4"]},
                "value": {"gte": 7, "unit": "%"},
            }
        },
    },
    {
        "kind": "exclusion",
        "statement": "Heart failure",
        "expression": {"condition": {"in": {"codes": ["sct|84114007"]}, "missing": "not_met"}},
    },
    {
        "kind": "inclusion",
        "statement": "Men accept a home visit",
        "expression": {
            "when": {"sex": ["male"]},
            "then": {"manual": "Does he accept a home visit?"},
        },
    },
]
"""Ada is eligible, Bram is not, and the others have no HbA1c."""


@pytest.fixture(scope="module")
def chromium() -> str:
    """The path of Chromium; the app is built when it is known that there is a browser for it."""
    require_node()
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("There is no Chromium here: apt-get install chromium")
    return path


def test_people_use_the_example_app(
    chromium: str, blank_app: Callable[..., Flask], make_patient: MakePatient, tmp_path: Path
) -> None:
    run_in(EXAMPLE, "scripts/build", seconds=300)
    api_port, app_port = free_port(), free_port()
    api_url = f"http://127.0.0.1:{api_port}"
    api = blank_app(public_url=api_url, dev_token_seconds=SHORT_LIFE_SECONDS)
    writer = populate(api, make_patient)
    app_url = f"http://localhost:{app_port}"
    with serving_api(api, api_port), serving_example(app_url, app_port, api_url, tmp_path):
        said = run_in(
            EXAMPLE,
            "node",
            "e2e/walk.mjs",
            seconds=300,
            APP_URL=app_url,
            TRIALLY_URL=api_url,
            TRIALLY_TOKEN=writer.token,
            CHROMIUM=chromium,
            SCREENSHOTS=str(tmp_path),
        )
    sys.stdout.write(said)
    # The app's own log has no errors either: it would hide a fault of which a page shows nothing.
    assert "rror" not in (tmp_path / "app.log").read_text()


def populate(api: Flask, make_patient: MakePatient) -> Member:
    """Create two tenants with members and patients, and return another writer of the first."""
    issuer = state_of(api).dev_issuer
    with api.app_context():
        install()
        north, south = (
            create_tenant(tier=Tier.POOLED_ROWS, slug=slug, name=f"{slug.title()} Clinic")
            for slug in ("north", "south")
        )
    add_people(api, north, (*PEOPLE, ("Wim Writer", Role.ADMIN)))
    add_people(api, south, (("Sam Several", Role.ADMIN),))
    choose_branding(api, south, "sam")
    token_of_several(issuer)
    token = issuer.issue_token(subject="wim", tenant="north", lifetime_seconds=3600)
    writer = Member(api.test_client(), token, north, "wim")
    choose_branding(api, north, "wim", LOGO)
    ada = make_patient(writer, **ADA)
    insert = EXAMPLES["document"].insert
    assert insert is not None
    for text in (NOTE, "No complaints."):
        insert(writer, {"patient_id": ada["id"]}, text)
    bram = make_patient(writer, mrn="N-2", given_name="Bram", family_name="Mockwell", sex="male")
    for mrn in ("T-1", "T-2", "T-3", "T-4"):
        name, phone = ("Twicewell", "555-0190") if mrn < "T-3" else ("Doublet", "555-0191")
        make_patient(writer, mrn=mrn, given_name="Theodora", family_name=name, phone=phone)
    for number in range(25):
        make_patient(writer, mrn=f"N-{number + 3}", family_name=f"Sampleton {number}")
    add_hba1c(api, north, ada["id"], 8.1)
    add_hba1c(api, north, bram["id"], 6.0)
    study_id = add_study(writer, CRITERIA)
    run_due_jobs(api, north)
    add_twins(api, south, study_id, ada["id"])
    return writer


def choose_branding(api: Flask, tenant: Tenant, subject: str, logo: bytes | None = None) -> None:
    """Choose the colours of a tenant, and publish them."""
    issuer = state_of(api).dev_issuer
    token = issuer.issue_token(subject=subject, tenant=tenant.slug)
    admin = Member(api.test_client(), token, tenant, subject)
    chosen = admin.patch("/settings/branding", json=BRANDINGS[tenant.slug])
    assert chosen.status_code == 200, chosen.text
    if logo is not None:
        headers = {"If-Match": chosen.headers["ETag"], "Content-Type": "image/svg+xml"}
        stored = admin.request("PUT", "/settings/branding/logo", data=logo, headers=headers)
        assert stored.status_code == 200, stored.text
    run_due_jobs(api, tenant)


def add_people(api: Flask, tenant: Tenant, people: tuple[tuple[str, Role], ...]) -> None:
    with api.app_context(), tenant_context(str(tenant.id)):
        for name, role in people:
            add_member(name.split()[0].lower(), role, display_name=name)


def add_hba1c(api: Flask, tenant: Tenant, patient_id: str, percent: float) -> None:
    values = {
        "id": uuid7(),
        "tenant_id": tenant.id,
        "patient_id": UUID(patient_id),
        "type": "observation",
        "code_system": "http://loinc.org",
        "code": "4548-4",
        "display": "Hemoglobin A1c",
        "value_number": percent,
        "unit": "%",
        "start_at": "2026-09-01T12:00:00Z",
        "start_precision": "instant",
        "source": "lab",
        "source_type": "Observation",
        "source_id": patient_id,
        "content_hash": b"-",
    }
    with api.app_context(), tenant_context(str(tenant.id)), transaction():
        db.session.execute(insert(ClinicalFact).values(values))


def add_twins(api: Flask, tenant: Tenant, study_id: str, patient_id: str) -> None:
    """Add a study and a patient with the ids of another tenant's."""
    with api.app_context(), tenant_context(str(tenant.id)), transaction():
        study = {"protocol_number": "TWIN", "title": "Another study with this id"}
        db.session.execute(
            insert(table_of(Study)).values(id=UUID(study_id), tenant_id=tenant.id, **study)
        )
        patient = {"family_name": "Southerly", "given_name": "Sue", "source": "manual"}
        db.session.execute(
            insert(table_of(Patient)).values(
                id=UUID(patient_id), tenant_id=tenant.id, source_id="twin", mrn="S-1", **patient
            )
        )


def token_of_several(issuer: Any) -> None:
    """Let the issuer name both tenants of one person, as issuers of production may."""
    sign = issuer._sign

    def sign_for_both(claims: dict[str, Any], *options: Any, **header: str) -> Any:
        if claims["sub"] == "sam":
            claims = {**claims, issuer.tenant_claim: ["north", "south"]}
        return sign(claims, *options, **header)

    issuer._sign = sign_for_both


@contextmanager
def serving_api(api: Flask, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, api, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_example(url: str, port: int, api_url: str, folder: Path) -> Iterator[None]:
    """Serve the built app with settings of its own, and write its log to a file in `folder`."""
    settings = {
        "AUTH_SECRET": secrets.token_urlsafe(32),
        "AUTH_URL": url,
        "AUTH_TRUST_HOST": "true",
        "AUTH_TRIALLY_ISSUER": f"{api_url}/dev-issuer",
        "AUTH_TRIALLY_ID": "web",
        "TRIALLY_URL": api_url,
        "TRIALLY_API_URL": api_url,
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    program = EXAMPLE / "node_modules" / "next" / "dist" / "bin" / "next"
    with (folder / "app.log").open("w") as log:
        process = subprocess.Popen(
            ("node", program, "start", "--hostname", "localhost", "--port", str(port)),
            cwd=EXAMPLE,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"{url}/icon.svg", process)
            yield
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urlopen(url, timeout=5).close()
        except (URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"The example does not answer at {url}.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
