"""`flask imports bulk` exports, downloads and imports, and continues what was interrupted."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from joserfc.jwk import ECKey

from tests.recruiting.imports.bulk.bulk_server import (
    CLIENT_ID,
    OBSERVATIONS,
    PATIENTS,
    RSA_KEY,
    TRANSACTION_TIME,
    BulkServer,
    running_server,
)
from tests.recruiting.imports.importing import Importer, write_ndjson
from trially.config import current_settings
from trially.recruiting.imports.bulk.authorization import (
    SigningKey,
    TokenSource,
    read_signing_key,
)
from trially.recruiting.imports.bulk.connections import Connector, Hosts
from trially.recruiting.imports.bulk.downloads import Downloader, Folder
from trially.recruiting.imports.bulk.errors import BulkError
from trially.recruiting.imports.bulk.exports import ExportClient, ExportRequest
from trially.recruiting.imports.bulk.retrying import Pauses


@pytest.fixture
def export(
    importer: Importer, run_command: Callable[..., Any], server: BulkServer, key_file: Path
) -> Callable[..., Any]:
    """Run the command with these options."""

    def run(*options: Any) -> Any:
        return run_command(
            *("imports", "bulk", importer.tenant.slug, "epic", "--url", server.url),
            *("--client-id", CLIENT_ID, "--key-file", key_file, *options),
        )

    return run


def connect(server: BulkServer) -> ExportClient:
    connector = Connector(Hosts(server.url))
    tokens = TokenSource(
        connector, f"{server.url}/token", CLIENT_ID, SigningKey(RSA_KEY, "k1", "RS384"), "s"
    )
    return ExportClient(connector, Pauses(60), tokens)


def download(client: ExportClient, url: str, target: Folder) -> list[Path]:
    manifest = client.wait_for(client.kick_off(ExportRequest(url)), str)
    downloader = Downloader(client, target, needs_token=manifest.requires_token)
    return downloader.download(manifest.files, str)


def folder(app: Flask) -> Path:
    with app.app_context():
        return current_settings().instance / "bulk"


def left_files(app: Flask) -> list[Path]:
    return [path for path in folder(app).rglob("*") if path.is_file()]


def test_an_export_is_imported_and_the_next_one_asks_for_changes_only(
    app: Flask, importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    first = export("--json")
    report = orjson.loads(first.stdout)
    second = export("--group", "g1")
    third = export("--types", "Patient")
    server.files = {"output": []}
    fourth = export()

    assert first.exit_code == second.exit_code == third.exit_code == fourth.exit_code == 0
    assert report["counts"]["Patient"]["new"] == report["counts"]["Observation"]["new"] == 39
    assert report["error_count"] == 0
    assert report["export"]["since"] is None
    assert server.is_deleted
    assert left_files(app) == []
    assert server.query_of("/Patient/$export")["_since"] == [TRANSACTION_TIME]
    assert "Patient" in server.query_of("/Patient/$export")["_type"][0].split(",")
    assert "_since" not in server.query_of("/Group/g1/$export")  # another scope
    assert fourth.stdout == (
        f"The export has no records. Nothing changed since {TRANSACTION_TIME}.\n"
    )
    assert importer.value("SELECT count(*) FROM bulk_export WHERE status_url IS NOT NULL") == 0


def test_a_server_that_is_busy_slow_and_revokes_tokens(
    importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    server.pending = 3
    server.faults = [
        ("/.well-known", 503),
        ("/Patient/$export", 429),
        ("/Patient/$export", 401),
        ("/status", 500),
        ("/status", 401),
        ("/files/1/output/0", 429),
        ("/files/1/output/0", 500),
        ("/files/1/output/1", 401),
    ]
    result = export("--json")

    assert result.exit_code == 0, result.stderr
    assert server.faults == []
    assert orjson.loads(result.stdout)["counts"]["Patient"]["new"] == 39
    assert server.paths("POST").count("/token") == 4


@pytest.mark.parametrize("has_etags", [True, False])
def test_a_download_that_breaks_continues(
    importer: Importer, export: Callable[..., Any], server: BulkServer, has_etags: bool
) -> None:
    server.has_etags = has_etags
    server.breaks = {"/files/1/output/1": 1000, "/files/1/output/0": 0}
    result = export("--json")

    ranges = [headers.get("Range") for _, path, headers in server.requests if "output/1" in path]
    assert result.exit_code == 0, result.stderr
    assert ranges == ([None, "bytes=1000-"] if has_etags else [None, None])
    assert orjson.loads(result.stdout)["counts"]["Patient"]["new"] == 39


@pytest.mark.parametrize("says_packed", [True, False])
def test_compressed_files_are_kept_compressed_and_continue_where_they_broke(
    importer: Importer, export: Callable[..., Any], server: BulkServer, says_packed: bool
) -> None:
    server.packs, server.says_packed = True, says_packed
    server.breaks = {"/files/1/output/1": 100}
    issue = {"severity": "warning", "code": "informational", "diagnostics": "slow"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    server.files["error"] = [("OperationOutcome", write_ndjson(outcome))]
    result = export("--json")

    ranges = [headers.get("Range") for _, path, headers in server.requests if "output/1" in path]
    assert result.exit_code == 0, result.stderr
    assert ranges == [None, "bytes=100-"]
    report = orjson.loads(result.stdout)
    assert report["counts"]["Patient"]["new"] == report["counts"]["Observation"]["new"] == 39
    assert report["export"]["issues"] == {"warning informational": 1}


def test_a_damaged_compressed_file_is_refused(
    importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    packed = gzip.compress(PATIENTS)
    server.files = {"output": [("Patient", packed[:-20])]}
    result = export()

    assert result.exit_code == 1
    assert "A file of Patient is compressed, and damaged" in result.stderr
    assert importer.value("SELECT count(*) FROM patient") == 0


def test_links_that_expire_are_asked_for_again(
    importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    server.faults = [("/files/1/output/1", 403)]
    result = export("--json")

    assert result.exit_code == 0, result.stderr
    assert server.paths().count("/files/1/output/0") == 1
    assert orjson.loads(result.stdout)["counts"]["Patient"]["new"] == 39


def test_a_truncated_file_is_downloaded_again_and_then_refused(
    app: Flask, importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    server.counts = {"Patient": 40}
    refused = export()
    again = export()
    resumed = export("--resume")
    server.counts = {}
    folders = list(folder(app).glob(f"{importer.tenant.id}/*"))
    restarted = export("--restart", "--json")

    assert refused.exit_code == 1
    assert "A file of Patient has 39 resources, and the manifest counts 40" in refused.stderr
    assert importer.value("SELECT count(*) FROM patient") == 39
    assert again.stderr.startswith("Error: An export of 'epic' is unfinished.")
    assert resumed.exit_code == 1
    assert len(folders) == 1
    assert not folders[0].exists()
    assert restarted.exit_code == 0


def test_an_interrupted_export_continues_without_a_new_one(
    app: Flask, importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    server.faults = [("/files/1/output/1", 400)]
    interrupted = export()
    modes = {path.stat().st_mode & 0o077 for path in folder(app).rglob("*")} - {0o000}
    server.revoke()
    server.links = 2
    resumed = export("--resume", "--json")

    assert interrupted.exit_code == 1
    assert modes <= {path.stat().st_mode & 0o077 for path in [folder(app)]}
    assert resumed.exit_code == 0, resumed.stderr
    assert server.paths().count("/Patient/$export") == 1
    assert len([path for path in server.paths() if path.endswith("output/0")]) == 1
    assert orjson.loads(resumed.stdout)["counts"]["Patient"]["new"] == 39
    assert export("--resume").stderr == (
        "Error: No export of 'epic' is unfinished. Leave out --resume.\n"
    )


def test_errors_of_the_server_come_first_and_the_next_export_asks_again(
    importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    issue = {"severity": "error", "code": "exception", "diagnostics": "Observation timed out"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    server.files["error"] = [("OperationOutcome", write_ndjson(outcome))]
    result = export()
    del server.files["error"]
    export()

    assert result.exit_code == 1
    assert result.stderr.splitlines()[:2] == [
        "The server reports 1 issue: error exception.",
        "  error: Observation timed out",
    ]
    assert "records are missing" in result.stderr
    assert importer.value("SELECT count(*) FROM patient") == 39
    assert "_since" not in server.query_of("/Patient/$export")


def test_deletions_withdraw_records_of_earlier_exports(
    importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    export()
    first = orjson.loads(OBSERVATIONS.splitlines()[0])
    entry = {"request": {"method": "DELETE", "url": f"Observation/{first['id']}"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    server.files = {"output": [], "deleted": [("Bundle", write_ndjson(bundle))]}
    report = orjson.loads(export("--json").stdout)

    assert (report["export"]["deleted_files"], report["export"]["files"]) == (1, 0)
    assert report["counts"]["Observation"]["withdrawn"] == 1
    assert importer.query(
        "SELECT source_id, withdrawn_reason FROM clinical_fact WHERE withdrawn_at IS NOT NULL"
    ) == [(first["id"], "deleted")]


def test_key_and_token_are_in_no_log_output_file_or_row(
    app: Flask,
    importer: Importer,
    export: Callable[..., Any],
    server: BulkServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.faults = [("/files/1/output/1", 400)]
    with caplog.at_level("DEBUG"):
        results = export(), export("--resume", "--json")
    secrets = [RSA_KEY.as_dict(private=True)["d"], *server.issued]
    rows = importer.query("SELECT bulk_export::text FROM bulk_export")
    texts = [caplog.text, str(rows), *(f"{each.stdout}{each.stderr}" for each in results)]

    assert len(secrets) > 1
    assert [secret for secret in secrets for text in texts if secret in text] == []


def test_a_dry_run_logs_in_and_requests_nothing(
    importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    result = export("--dry-run", "--system", "--types", "Patient")

    assert result.exit_code == 0
    assert f"{server.url}/$export?" in result.stdout
    assert server.paths("POST") == ["/token"]
    assert not [path for path in server.paths() if path.endswith("$export")]
    assert importer.value("SELECT count(*) FROM bulk_export") == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"location": "https://127.0.0.1:1/status"}, "which is another server"),
        ({"location": "http://192.0.2.1/status"}, "is not https"),
        ({"location": "file:///etc/passwd"}, "not valid"),
        ({"file_host": "http://10.0.0.1"}, "is not https"),
        ({"file_host": "https://localhost:1"}, "which is another server"),
        (
            {"file_host": "https://127.0.0.1:1", "requires_token": False},
            "a URL of 127.0.0.1:1, which is another server. Name it with --allow-host",
        ),
        ({"file_host": "https://user:pw@127.0.0.1"}, "user name or password"),
        ({"faults": [("/token", 400)]}, "HTTP status 400"),
        ({"faults": [("/Patient/$export", 403)]}, "HTTP status 403"),
        ({"faults": [("/status", 410)]}, "HTTP status 410"),
        ({"files": {"output": [("Jane Doe", b"")]}}, "without a type"),
    ],
)
def test_what_a_server_must_not_do(
    server: BulkServer, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    client = connect(server)
    target = Folder(tmp_path / "export", 2**30)
    target.create()

    with pytest.raises(BulkError) as caught:
        download(client, server.url, target)

    assert reason in str(caught.value)
    assert "Jane" not in str(caught.value)
    assert [path.suffix for path in target.path.iterdir() if path.suffix == ".ndjson"] == []


def test_files_on_another_origin_get_no_token(
    importer: Importer, export: Callable[..., Any], server: BulkServer
) -> None:
    with running_server(RSA_KEY) as other:
        other.files, other.requires_token = server.files, False
        server.file_host, server.requires_token = other.url, False
        unnamed = export()
        allowed = ("--allow-host", other.url.removeprefix("http://"))
        assert other.requests == []
        assert export("--resume", *allowed).exit_code == 0
        assert [headers for _, _, headers in other.requests if "Authorization" in headers] == []
        server.requires_token = True
        refused = export("--full", *allowed)
        downloads = len(other.requests)

    assert unnamed.exit_code == refused.exit_code == 1
    assert "which is another server. Name it with --allow-host" in unnamed.stderr
    assert re.search(
        r"wants the access token to be sent to 127\.0\.0\.1:\d+, which is another server",
        refused.stderr,
    )
    assert downloads == 2


def test_a_public_host_must_not_have_a_private_address() -> None:
    with running_server(RSA_KEY) as server:
        hosts = Hosts(server.url)
        hosts._private = {"other.example.org"}
        with (
            pytest.raises(BulkError, match="private address"),
            Connector(hosts).open(f"{server.url}/files/1/output/0", {}),
        ):
            pass
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    ["http://example.org/fhir", "ftp://example.org", "https://", "https://a b", "https://é.org"],
)
def test_a_base_url_must_be_https(url: str) -> None:
    with pytest.raises(BulkError):
        Hosts(url)


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (None, 0o600, "cannot be read"),
        (b"{}", 0o600, "no private key"),
        (b"-----BEGIN nonsense", 0o600, "no private key"),
        (orjson.dumps(RSA_KEY.as_dict(private=False)), 0o600, "no private key"),
        (orjson.dumps(ECKey.generate_key("P-256").as_dict(private=True)), 0o600, "no private key"),
        (orjson.dumps(RSA_KEY.as_dict(private=True)), 0o644, "Other users can read the key"),
    ],
)
def test_a_key_file_that_cannot_be_used(
    key_file: Path, content: bytes | None, mode: int, reason: str
) -> None:
    if content is None:
        key_file.unlink()
    else:
        key_file.write_bytes(content)
        key_file.chmod(mode)

    with pytest.raises(BulkError, match=reason):
        read_signing_key(key_file, None)


@pytest.mark.parametrize("is_pem", [True, False])
def test_a_key_of_p384_in_both_notations(server: BulkServer, key_file: Path, is_pem: bool) -> None:
    key = ECKey.generate_key("P-384", {"kid": "k1"})
    server.key = key
    key_file.write_bytes(
        key.as_pem(private=True) if is_pem else orjson.dumps({"keys": [key.as_dict(private=True)]})
    )
    signing_key = read_signing_key(key_file, "k1" if is_pem else None)
    connector = Connector(Hosts(server.url))

    source = TokenSource(connector, f"{server.url}/token", CLIENT_ID, signing_key, "system/*.rs")

    assert source.token() in server.tokens
    assert source.token() == source.token()
