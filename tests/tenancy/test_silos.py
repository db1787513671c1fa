"""The files that `flask tenants silo` writes, and those that it does not overwrite."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from trially import create_app
from trially.config import read_settings
from trially.state import state_of

SECRETS = ("settings.env", "postgres.env")


@pytest.fixture
def write(run_command, tmp_path):
    """Write the silo of a slug, and return the folder and the output."""

    def run(slug, *options):
        result = run_command("tenants", "silo", slug, "--out", tmp_path / slug, *options, "--json")
        assert result.exit_code == 0, result.output
        return tmp_path / slug, json.loads(result.output)

    return run


def test_all_that_runs_a_silo_is_written(write):
    folder, output = write("lakeview", "--host-name", "lakeview.example.org", "--port", "8100")

    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {
        "settings.env",
        "postgres.env",
        "README.md",
        "compose.yaml",
        "trially-lakeview.service",
        "trially-lakeview-worker.service",
        "nginx/trially.conf",
        "nginx/proxy.conf",
        "nginx/silos/lakeview.conf",
        "nginx/silos/lakeview.map",
    }
    assert output == {
        "slug": "lakeview",
        "directory": str(folder),
        "written": output["written"],
        "kept": [],
        "to_fill_in": ["TRIALLY_ISSUERS", "TRIALLY_MASTER_KEY"],
        "is_here": False,
    }
    assert set(output["written"]) == there
    for name in there:
        readers = (folder / name).stat().st_mode & 0o077
        assert bool(readers) is (name not in SECRETS), name
        assert "{{" not in (folder / name).read_text()
    assert (folder / "nginx/silos/lakeview.map").read_text() == (
        "/lakeview trially_silo_lakeview;\nlakeview.example.org trially_silo_lakeview;\n"
    )


def test_its_settings_are_usable(write, monkeypatch, app):
    for name in [name for name in os.environ if name.startswith("TRIALLY_")]:
        monkeypatch.delenv(name)
    folder, _ = write("riverview")
    path = folder / "settings.env"
    path.write_text(path.read_text().replace("ISSUERS=", "ISSUERS=https://login.example"))

    settings = read_settings(folder)

    ours = state_of(app).settings
    assert settings.pinned_tenant == "riverview"
    assert not settings.development
    assert len(settings.secret_key) >= 64
    assert settings.secret_key != ours.secret_key
    assert settings.audiences == ours.audiences
    assert settings.issuers == ("https://login.example",)
    password = re.search("POSTGRES_PASSWORD=(.+)", (folder / "postgres.env").read_text())[1]
    assert settings.database_url.password == password


def test_the_compose_file_brings_a_server_that_keeps_rows_out_of_its_log(write):
    folder, _ = write("oakview", "--port", "8100")

    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    server, app = compose["services"]["postgres"], compose["services"]["app"]

    assert {"--log_min_error_statement=panic", "--log_error_verbosity=terse"} <= set(
        server["command"]
    )
    assert "ports" not in server
    assert server["networks"] == ["inside"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert app["ports"] == ["127.0.0.1:8100:8000"]
    assert (app["env_file"], server["env_file"]) == SECRETS
    assert all("healthcheck" in service for service in (server, app))
    for name in SECRETS:
        for secret in re.findall(r"(?:KEY|PASSWORD)=(.+)", (folder / name).read_text()):
            assert secret not in (folder / "compose.yaml").read_text()


def test_the_units_run_the_app_and_its_worker_within_the_same_limits(write):
    folder, _ = write("fieldview", "--port", "8100")
    app, worker = (
        (folder / f"trially-fieldview{name}.service").read_text().splitlines()
        for name in ("", "-worker")
    )

    flask = Path(sys.executable).with_name("flask")
    assert set(worker) - set(app) == {
        "Description=trially, the worker of the silo of fieldview",
        "Type=exec",
        "Environment=TRIALLY_INSTANCE=%S/trially-fieldview-worker",
        "StateDirectory=trially-fieldview-worker",
        f"ExecStart={flask} worker",
    }
    assert {line.partition("=")[0] for line in set(app) - set(worker)} == {
        *("Description", "Type", "Environment", "StateDirectory", "ExecStart", "ExecReload"),
    }


def test_a_server_that_is_there_is_used(write):
    url = "postgresql://admin:p%40ss@db.example:6432/postgres?sslmode=verify-full"
    folder, output = write("hillview", "--database-url", url)

    assert f"TRIALLY_DATABASE_URL={url}\n" in (folder / "settings.env").read_text()
    assert "postgres.env" not in output["written"]
    assert set(yaml.safe_load((folder / "compose.yaml").read_text())["services"]) == {
        "migrations",
        "app",
        "worker",
    }


def test_secrets_are_never_overwritten(write, run_command):
    folder, first = write("parkview", "--port", "8100")
    before = {name: (folder / name).read_text() for name in first["written"]}

    refused = run_command("tenants", "silo", "parkview", "--out", folder, "--port", "8200")
    assert (refused.exit_code, refused.output) == (
        1,
        "Error: settings.env exists. Pass --force to overwrite all files except secrets.\n",
    )
    assert {name: (folder / name).read_text() for name in before} == before

    _, output = write("parkview", "--port", "8200", "--force")
    after = {name: (folder / name).read_text() for name in before}
    changed = {name for name in before if after[name] != before[name]}
    assert output["kept"] == list(SECRETS)
    assert changed == {
        "README.md",
        "compose.yaml",
        "trially-parkview.service",
        "nginx/silos/parkview.conf",
    }


def test_the_silo_gets_a_master_key_of_its_own(write, run_command, tmp_path):
    own = (tmp_path / "own-key.json").as_uri()
    folder, output = write("keyview", "--master-key", own)

    assert f"TRIALLY_MASTER_KEY={own}\n" in (folder / "settings.env").read_text()
    assert output["to_fill_in"] == ["TRIALLY_ISSUERS"]
    assert write("keyview", "--force")[1]["to_fill_in"] == ["TRIALLY_ISSUERS"]
    refused = run_command(
        "tenants", "silo", "keyview", "--out", folder, "--force", "--master-key", own
    )
    assert (refused.exit_code, "Change TRIALLY_MASTER_KEY in it" in refused.output) == (1, True)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [("https://example.org/key", "cannot be used"), (None, "master key of this installation")],
)
def test_a_key_that_a_silo_cannot_have_is_refused(app, settings, tmp_path, given, sentence):
    ours = (settings.instance.absolute() / "master-key.json").as_uri()
    database = state_of(app).servers["default"].admin_url
    named = create_app(replace(settings, master_key=ours, database_url=database))
    folder = tmp_path / "silo"

    result = named.test_cli_runner().invoke(
        args=["tenants", "silo", "lockview", "--out", str(folder), "--master-key", given or ours]
    )

    assert (result.exit_code, sentence in result.output) == (1, True), result.output
    assert not folder.exists()


def test_a_silo_without_a_master_key_creates_no_tenant(app, settings):
    database = state_of(app).servers["default"].admin_url
    silo = create_app(
        replace(
            settings,
            development=False,
            issuers=("https://login.example",),
            pinned_tenant="bareview",
            database_url=database,
        )
    )

    result = silo.test_cli_runner().invoke(
        args=["tenants", "create", "bareview", "--name", "Bare View"]
    )

    assert (result.exit_code, "TRIALLY_MASTER_KEY is not set" in result.output) == (1, True)


def test_a_folder_is_one_silos(write, run_command):
    folder, _ = write("eastview")

    result = run_command("tenants", "silo", "westview", "--out", folder, "--force")

    assert (result.exit_code, result.output) == (
        1,
        f"Error: {folder} holds the secrets of another silo. Choose another folder for westview.\n",
    )
    assert not (folder / "trially-westview.service").exists()


def test_a_tenant_that_exists_here_is_reported(run_command, tenant, tmp_path):
    result = run_command("tenants", "silo", tenant.slug, "--out", tmp_path / "silo")

    assert result.exit_code == 0
    assert "its data have not been copied" in result.output
    readme = (tmp_path / "silo" / "README.md").read_text()
    assert f"--name '{tenant.name}'" in readme
    assert "Its data have not been copied" in readme


def test_issuers_profiles_come_along(app, settings, tmp_path):
    profiles = tmp_path / "trusted.toml"
    profiles.write_text(
        '[[profiles]]\nissuer = "https://login.example"\naudiences = ["https://api.example"]\n'
    )
    url = state_of(app).servers["default"].admin_url
    trusting = create_app(replace(settings, issuer_profiles=profiles, database_url=url))
    folder = tmp_path / "silo"
    result = trusting.test_cli_runner().invoke(
        args=["tenants", "silo", "seaview", "--out", str(folder), "--json"]
    )

    assert json.loads(result.output)["to_fill_in"] == ["TRIALLY_MASTER_KEY"]
    assert (folder / "issuers.toml").read_text() == profiles.read_text()
    written = (folder / "settings.env").read_text()
    assert f"TRIALLY_ISSUER_PROFILES={folder / 'issuers.toml'}\n" in written
    volumes = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["app"]["volumes"]
    assert volumes == [f"./issuers.toml:{folder / 'issuers.toml'}:ro"]


@pytest.mark.parametrize(
    ("slug", "options", "sentence"),
    [
        ("Bad", (), "The slug 'Bad' is invalid"),
        ("default", ("--shared", "127.0.0.1:80; evil"), "is not of the form host:port"),
        ("default", ("--host-name", "x;evil.example"), "is not a lower-case host name with a dot"),
        ("default", ("--host-name", "localhost"), "is not a lower-case host name with a dot"),
        ("default", ("--name", "A\nB"), "characters that cannot be printed"),
        ("default", ("--database-url", "mysql://db/x"), "--database-url must begin with"),
        (
            "default",
            ("--database-url", "postgresql://a:b'c@db/x"),
            "contains characters that need quotes",
        ),
    ],
)
def test_with_an_invalid_option_nothing_is_written(run_command, tmp_path, slug, options, sentence):
    result = run_command("tenants", "silo", slug, "--out", tmp_path / "silo", *options)

    assert result.exit_code == 1
    assert sentence in result.output
    assert not (tmp_path / "silo").exists()


def test_a_folder_that_needs_quotes_is_refused(run_command, tmp_path):
    result = run_command("tenants", "silo", "woodview", "--out", tmp_path / "a %n b")

    assert result.exit_code == 1
    assert "contains characters that need quotes" in result.output
