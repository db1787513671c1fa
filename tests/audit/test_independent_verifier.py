"""The verifier in tools/, which uses nothing of trially, agrees with `flask audit verify`."""

import datetime as dt
import re
import subprocess
import sys

import pytest
from sealed_tenants import write_and_seal, write_records
from tenant_databases import as_tenant

from trially.audit.tenant_log import tenant_log
from trially.audit.witnesses.directory import DirectoryWitness
from trially.audit.witnesses.sending import entry_of
from trially.config import ROOT
from trially.seals.sealing import read_stored
from trially.tenancy.servers.connections import execute

EXPORT = (ROOT / "tools" / "export_audit.sql").read_text()
LINE_2 = re.compile(rb"^(.*\n)(.*\n)", re.MULTILINE)


@pytest.fixture(scope="module")
def exported(app, make_tenant, tmp_path_factory):
    """The files of a tenant's log, made by the statements of the SQL file."""
    folder, tenant = tmp_path_factory.mktemp("exported"), make_tenant()
    with app.app_context():
        write_and_seal(tenant.slug)
        write_and_seal(tenant.slug)
        write_records(tenant.slug, 1)
    values = {":'schema'": "'tenant'", ":'tenant'": f"'{tenant.id}'"}
    script = EXPORT.partition("BEGIN")[0]
    script = "".join(line for line in script.splitlines(keepends=True) if line[:2] != "--")
    with as_tenant(app, tenant) as raw:
        execute(raw, "BEGIN")
        for name, value in (("search_path", "tenant"), ("trially.tenant_id", str(tenant.id))):
            execute(raw, "SELECT set_config(%s, %s, true)", name, value)
        execute(raw, f"SELECT trially.enter('{tenant.id}', {tenant.placement.epoch})")
        execute(raw, script)
        for statement, file in re.findall(r"^(COPY .*) \\g (\S+)$", EXPORT, re.MULTILINE):
            for name, value in values.items():
                statement = statement.replace(name, value)
            with (folder / file).open("wb") as target, raw.cursor() as cursor:
                cursor.copy_expert(statement, target)
        with raw.cursor() as cursor:
            seals = list(read_stored(cursor, tenant_log(tenant.id)))
    witness = DirectoryWitness(folder / "witness")
    witness.append(seals[0].log, list(map(entry_of, seals)))
    return folder, str(tenant.id)


@pytest.fixture
def run(exported, tmp_path):
    """Run the verifier on the files, after some were changed; return its status and output."""
    folder, tenant_id = exported

    def run_it(changes=(), witness=False, options=()):
        for file in ("seals.tsv", "records.tsv", "forms.json"):
            content = (folder / file).read_bytes()
            for name, change in changes:
                content = change(content) if name == file else content
            (tmp_path / file).write_bytes(content)
        [kept] = (folder / "witness").iterdir()
        words = [tenant_id, *([kept] if witness else []), *options]
        command = [sys.executable, "-I", ROOT / "tools" / "verify_audit.py", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run_it


def test_an_untouched_log_is_intact(run):
    assert run(witness=True) == (0, "2 seals and their records are intact.\n")


FORGERIES = {
    "changed": ("records.tsv", lambda text: text.replace(b"\t200\t", b"\t404\t", 1), "Record 1"),
    "removed": ("records.tsv", lambda text: LINE_2.sub(rb"\1", text, count=1), "Record 2"),
    "exchanged": ("records.tsv", lambda text: LINE_2.sub(rb"\2\1", text, count=1), "Record 1"),
    "ended": ("records.tsv", lambda text: b"".join(text.splitlines(True)[:5]), "Record 3"),
    "seal": ("seals.tsv", lambda text: text.replace(b"\t3\t", b"\t4\t", 1), "seal 1"),
    "removed seal": ("seals.tsv", lambda text: b"".join(text.splitlines(True)[1:]), "seal 1"),
    "cut": ("seals.tsv", lambda text: b"".join(text.splitlines(True)[:1]), "seal 2"),
    "form": ("forms.json", lambda text: text.replace(b"GET", b"PUT"), "form"),
}


@pytest.mark.parametrize(("file", "change", "words"), FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_named(run, file, change, words):
    status, output = run([(file, change)], witness=True)

    assert status == 1
    assert words in output


def test_pruned_years_have_no_records(run):
    status, output = run([("records.tsv", lambda _: b"")])
    assert (status, "Record 1" in output) == (1, True)
    this_year = dt.datetime.now(dt.UTC).year
    assert run([("records.tsv", lambda _: b"")], options=[f"--pruned={this_year}"])[0] == 0
