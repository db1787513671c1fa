"""Two tenants with the same ids keep their records, mappings and exports apart in each tier."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask

from tests.conftest import AsMember, MakeTenant
from tests.recruiting.imports.bulk.bulk_server import CLIENT_ID, TRANSACTION_TIME, BulkServer
from tests.recruiting.imports.formats.reading_messages import PID, message
from tests.recruiting.imports.importing import Importer
from trially.tenancy.catalog_choices import Tier

OBR = "OBR|1||F1|24323-8^Panel^LN|||20240304080000"
OBX = "OBX|1|NM|718-7^Hb^LN||{}|g/dL|||||F"
MAPPING = '{"columns": {"patient": "No"}, "dates": ["DD/MM/YYYY"]}'

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def importers(app: Flask, make_tenant: MakeTenant, tier: Tier) -> tuple[Importer, Importer]:
    return Importer(app, make_tenant(tier)), Importer(app, make_tenant(tier))


@pytest.fixture
def run(run_command: Callable[..., Any]) -> Run:
    """Run a command on imports in a tenant, and return its JSON."""

    def run_in(importer: Importer, name: str, *options: Any) -> dict[str, Any]:
        result = run_command("imports", name, importer.tenant.slug, *options, "--json")
        report: dict[str, Any] = orjson.loads(result.stdout or result.stderr)
        return report

    return run_in


def test_tables_and_messages_with_the_same_ids(
    importers: tuple[Importer, Importer], run: Run, as_member: AsMember, tmp_path: Path
) -> None:
    first, second = importers
    mapping = tmp_path / "mapping.json"
    mapping.write_text(MAPPING)
    for importer, name, value in ((first, "Ada", 7), (second, "Bo", 9)):
        folder = tmp_path / importer.tenant.slug
        folder.mkdir()
        (folder / "p.csv").write_text(f"No,first name,birthdate\n1,{name},3/4/1970\n")
        pid = PID.replace("Jörg", name)
        (folder / "m.hl7").write_text(
            message(pid) + message(pid, OBR, OBX.format(value), kind="ORU^R01")
        )
    table = ("--source", "kis", "--kind", "patients")

    stored = run(first, "csv", tmp_path / first.tenant.slug / "p.csv", *table, "--mapping", mapping)
    unknown = run(second, "csv", tmp_path / second.tenant.slug / "p.csv", *table)
    own = run(second, "csv", tmp_path / second.tenant.slug / "p.csv", *table, "--mapping", mapping)
    reports = [
        run(each, "hl7v2", tmp_path / each.tenant.slug / "m.hl7", "--source", "adt")
        for each in importers
    ]

    assert stored["counts"]["Patient"]["new"] == own["counts"]["Patient"]["new"] == 1
    assert "No column holds patient" in unknown["error"]["message"]
    assert [each["counts"]["Observation"]["new"] for each in reports] == [1, 1]
    for importer, name, value in ((first, "Ada", 7), (second, "Bo", 9)):
        member = as_member(importer.tenant)
        patients = member.get("/patients").get_json()["data"]
        assert {each["given_name"] for each in patients} == {name}
        assert importer.query("SELECT value_number::int FROM clinical_fact") == [(value,)]
        [source] = member.get("/sources?name=kis").get_json()["data"]
        assert source["column_mapping"] == {"patients": orjson.loads(MAPPING)}


def test_exports_of_the_same_server(
    importers: tuple[Importer, Importer], run: Run, server: BulkServer, key_file: Path
) -> None:
    first, second = importers

    def export(importer: Importer, *options: str) -> dict[str, Any]:
        return run(
            *(importer, "bulk", "epic", "--url", server.url),
            *("--client-id", CLIENT_ID, "--key-file", key_file, *options),
        )

    server.faults = [("/files/1/output/1", 400)]
    interrupted = export(first)
    foreign = export(second, "--resume")
    own = export(second)
    resumed = export(first, "--resume")
    next_of_second = export(second)

    assert "HTTP status 400" in interrupted["error"]["message"]
    assert "No export of 'epic' is unfinished" in foreign["error"]["message"]
    assert own["export"]["since"] is None
    assert next_of_second["export"]["since"] == TRANSACTION_TIME
    for report in (own, resumed):
        assert report["counts"]["Patient"]["new"] == report["counts"]["Observation"]["new"] == 39
    assert first.value("SELECT count(*) FROM bulk_export") == 1
    assert second.value("SELECT count(*) FROM bulk_export") == 2
