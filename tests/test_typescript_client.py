"""The TypeScript client is generated from the API as it is, builds, packs, and works from Node."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from members import Member
from node_projects import install_copy, run_in
from werkzeug.serving import make_server

from trially.config import ROOT
from trially.state import state_of

SOURCE = ROOT / "clients" / "typescript"


@pytest.fixture(scope="module")
def client(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the client with what it needs, beside the API's document."""
    folder = install_copy(SOURCE, tmp_path_factory.mktemp("client"))
    (folder / "openapi.json").write_bytes(state_of(app).openapi_document.render())
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


def test_the_client_is_current(client: Path) -> None:
    generated = ("schema.ts", "keyed-routes.ts")
    before = [(SOURCE / "src" / name).read_text() for name in generated]

    run_in(client, "npm", "run", "generate")

    after = [(client / "src" / name).read_text() for name in generated]
    assert after == before, "The API has changed. Run `make client`."


def test_bodies_errors_retries_and_helpers(client: Path) -> None:
    """`npm test` compiles types that must compile and that must not, then runs its own tests."""
    assert "# fail 0" in run_in(client, "npm", "test")


@pytest.mark.parametrize("page", ["clients/typescript/README.md", "docs/api-guide.md"])
def test_the_pages_compile(client: Path, page: str) -> None:
    said = run_in(client, "node", "scripts/check-readme.mjs", str(ROOT / page))

    assert "blocks compile" in said


def test_the_client_works(client: Path, live_url: str, member: Member) -> None:
    said = run_in(client, "node", "e2e.mjs", TRIALLY_URL=live_url, TRIALLY_TOKEN=member.token)

    assert f"of {member.tenant.slug}: created, changed, found" in said


def test_a_project_uses_the_package(client: Path, tmp_path: Path) -> None:
    """The packed file is enough: no source, tool or setting of this repository is needed."""
    packed = json.loads(run_in(client, "npm", "pack", "--json", "--ignore-scripts"))[0]
    package = tmp_path / "node_modules" / "@trially" / "client"
    with tarfile.open(client / packed["filename"]) as archive:
        archive.extractall(tmp_path, filter="data")
    package.parent.mkdir(parents=True)
    (tmp_path / "package").rename(package)
    for dependency in json.loads((package / "package.json").read_text())["dependencies"]:
        (tmp_path / "node_modules" / dependency).symlink_to(client / "node_modules" / dependency)
    program = tmp_path / "program.mts"
    program.write_text(
        'import { createTriallyClient, formatDate, type Schemas } from "@trially/client";\n'
        'const trially = createTriallyClient({ baseUrl: "http://[::1]:1", token: () => "" });\n'
        "export const read = (): Promise<{ data: Schemas['Me'] }> => trially.GET('/api/v1/me');\n"
        'console.log(formatDate("1981-01-01", "year"));\n'
    )
    for resolution in (("nodenext", "nodenext"), ("esnext", "bundler")):
        module, module_resolution = resolution
        options = ["--module", module, "--moduleResolution", module_resolution, "--strict"]
        compiler = client / "node_modules" / ".bin" / "tsc"
        run_in(tmp_path, str(compiler), *options, "--target", "es2022", program.name)

    assert run_in(tmp_path, "node", "program.mjs") == "1981\n"
    kinds = {Path(file["path"]).parts[0] for file in packed["files"]}
    assert kinds == {"README.md", "package.json", "dist", "src"}


def test_lock_files_name_no_registry() -> None:
    listed = subprocess.run(
        ("git", "ls-files", "*package-lock.json"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    locks = listed.stdout.split()
    assert locks
    for lock in locks:
        packages = json.loads((ROOT / lock).read_text())["packages"]
        resolved = [package.get("resolved", "") for package in packages.values()]
        assert not [url for url in resolved if "://" in url], lock


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
