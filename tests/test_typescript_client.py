"""The TypeScript client is generated from the API as it is, compiles, and works from Node."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from members import Member
from werkzeug.serving import make_server

from trially.config import ROOT
from trially.state import state_of

SOURCE = ROOT / "clients" / "typescript"


@pytest.fixture(scope="module")
def client(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the client with what it needs, beside the API's document."""
    if shutil.which("npm") is None:
        pytest.skip("There is no Node.js here.")
    folder = tmp_path_factory.mktemp("client") / "typescript"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "openapi.json").write_bytes(state_of(app).openapi_document)
    run_in(folder, "npm", "ci", "--no-audit", "--no-fund")
    return folder


@pytest.fixture
def live_url(app: Flask) -> Iterator[str]:
    """Where the app is served while the test runs."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run_in(folder: Path, *command: str, **environment: str) -> str:
    finished = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_client_is_current(client: Path) -> None:
    run_in(client, "npm", "run", "generate")

    is_current = (client / "src" / "schema.ts").read_text() == (
        SOURCE / "src" / "schema.ts"
    ).read_text()
    assert is_current, "The API has changed. Run `make client`."


def test_the_client_works(client: Path, live_url: str, member: Member) -> None:
    run_in(client, "npx", "tsc", "--outDir", "dist")

    said = run_in(client, "node", "e2e.mjs", TRIALLY_URL=live_url, TRIALLY_TOKEN=member.token)

    assert f"of {member.tenant.slug}: created, changed, found" in said


USAGE = """\
import { createTriallyClient, type Schemas } from "./index.js";

const trially = createTriallyClient({ baseUrl: "", token: () => "" });

export async function use(): Promise<string> {
  // No default has to be written, and no sort key or total either.
  const found = await trially.POST("/api/v1/patients/search", { body: { family_name: "lind" } });
  const sorted = await trially.GET("/api/v1/patients", {
    params: { query: { sort: "name,-created_at", total: true } },
  });
  const rows: Schemas["Patient"][] = [...(found.data?.data ?? []), ...(sorted.data?.data ?? [])];
  const total: number | undefined = sorted.data?.page.total;
  for (const row of rows) {
    const id: string = row.id;
    const masked: readonly string[] = row.masked_fields;
    const params = { path: { patient_id: id }, header: { "If-Match": row.etag } };
    await trially.PATCH("/api/v1/patients/{patient_id}", { params, body: { phone: null } });
    if (masked.includes("phone")) return id;
  }
  const { data: me } = await trially.GET("/api/v1/me");
  const role: "owner" | "admin" | "coordinator" | "recruiter" | "viewer" | "auditor" | undefined =
    me?.role;
  // @ts-expect-error There is no such role.
  const wrong: boolean = me?.role === "king";
  // @ts-expect-error An MRN is required.
  await trially.POST("/api/v1/patients", { body: { given_name: "Mei" } });
  return `${role} ${total} ${wrong}`;
}
"""


def test_types_say_what_is_always_there(client: Path) -> None:
    (client / "src" / "usage.ts").write_text(USAGE)
    try:
        run_in(client, "npx", "tsc", "--noEmit")
    finally:
        (client / "src" / "usage.ts").unlink()
