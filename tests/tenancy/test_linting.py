"""`flask db lint` finds dangerous locks and unprotected tables in the SQL of migrations."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from trially.config import ROOT
from trially.tenancy.linting import checking, squawk
from trially.tenancy.linting.findings import Accepted, Finding, LintError, not_accepted, stale
from trially.tenancy.linting.own_rules import check_tenant_sql
from trially.tenancy.schema.protection import create_policy_sql, create_trigger_sql
from trially.tenancy.schema.revision_files import newest_revision

POLICY, TRIGGER = ("".join(lines("visit")) for lines in (create_policy_sql, create_trigger_sql))
TABLE = "CREATE TABLE visit (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id))"
GOOD = f"{TABLE}; {POLICY}"


@pytest.mark.parametrize(
    ("statements", "rule"),
    [
        (GOOD, None),
        (TABLE, "table-without-policy"),
        ("CREATE TABLE visit (id uuid PRIMARY KEY)", "table-without-tenant-key"),
        (GOOD.replace("(tenant_id, id)", "(id, tenant_id)"), "primary-key"),
        (GOOD.replace(", PRIMARY KEY (tenant_id, id)", ""), "primary-key"),
        (GOOD.replace("id uuid, PRIMARY", "id uuid UNIQUE, PRIMARY"), "unique-without-tenant-key"),
        (GOOD.replace("tenant_rows", "others"), "other-policy"),
        (GOOD.replace("id uuid, P", "id uuid, version int, P"), "table-without-trigger"),
        (f"{GOOD.replace('id uuid, P', 'id uuid, version int, P')}; {TRIGGER}", None),
        ("ALTER TABLE site ADD COLUMN version int", "table-without-trigger"),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix ON site (tenant_id, name)", None),
        ("CREATE INDEX CONCURRENTLY ix ON site (tenant_id, name)", "concurrent-not-repeatable"),
        ("DROP INDEX CONCURRENTLY ix", "concurrent-not-repeatable"),
        ("DROP INDEX CONCURRENTLY IF EXISTS ix", None),
        ("CREATE INDEX CONCURRENTLY ix ON site (name)", "index-without-tenant-key"),
        ("CREATE INDEX CONCURRENTLY ix ON site (lower(name))", "index-without-tenant-key"),
        ("CREATE UNIQUE INDEX CONCURRENTLY ix ON site (name)", "unique-without-tenant-key"),
        (
            "ALTER TABLE site ADD CONSTRAINT u UNIQUE (name, tenant_id)",
            "unique-without-tenant-key",
        ),
        (
            "ALTER TABLE site ADD FOREIGN KEY (study_id) REFERENCES study (id)",
            "foreign-key-without-tenant-key",
        ),
        (
            "ALTER TABLE site ADD COLUMN s uuid REFERENCES study (id)",
            "foreign-key-without-tenant-key",
        ),
        ("UPDATE site SET name = 'x'", "rows-in-migration"),
        ("WITH old AS (SELECT) DELETE FROM site", "rows-in-migration"),
        ("INSERT INTO site SELECT FROM study", "rows-in-migration"),
        (f"{GOOD}; INSERT INTO visit DEFAULT VALUES", None),
        ("DO $$ BEGIN NULL; END $$", "hidden-statements"),
        (f"{GOOD}; CREATE INDEX CONCURRENTLY i ON site (tenant_id)", "autocommit-with-others"),
    ],
)
def test_own_rules(statements: str, rule: str | None) -> None:
    rules = {each.rule for each in check_tenant_sql("tenant/9999", statements)}

    assert (rule in rules) if rule else (rules == set()), rules


LOCKS = {
    "ALTER TABLE site ADD COLUMN place text": None,
    "ALTER TABLE site ADD COLUMN place text NOT NULL DEFAULT ''": None,
    "COMMIT; CREATE INDEX CONCURRENTLY ix ON site (tenant_id); BEGIN": None,
    "ALTER TABLE site ADD CONSTRAINT c CHECK (name <> '') NOT VALID": None,
    "CREATE INDEX ix ON site (tenant_id)": "require-concurrent-index-creation",
    "DROP INDEX ix": "require-concurrent-index-deletion",
    "ALTER TABLE site ADD COLUMN seen uuid DEFAULT gen_random_uuid()": "adding-field-with-default",
    "ALTER TABLE site ALTER COLUMN city SET NOT NULL": "adding-not-nullable-field",
    "ALTER TABLE site ADD COLUMN place text NOT NULL": "adding-required-field",
    "ALTER TABLE site ALTER COLUMN city TYPE int USING 1": "changing-column-type",
    "ALTER TABLE site ADD CONSTRAINT c CHECK (name <> '')": "constraint-missing-not-valid",
    "ALTER TABLE site RENAME COLUMN city TO place": "renaming-column",
    "ALTER TABLE site RENAME TO place": "renaming-table",
    "ALTER TABLE site DROP COLUMN city": "ban-drop-column",
    "DROP TABLE site": "ban-drop-table",
    "ALTER TABLE site ADD": "syntax-error",
}


def test_dangerous_locks_and_changes_that_the_version_before_cannot_live_with() -> None:
    scripts = {statement: f"BEGIN;\n{statement};\nCOMMIT;\n" for statement in LOCKS}

    found: dict[str, list[str]] = {statement: [] for statement in LOCKS}
    for each in squawk.squawk(scripts):
        found[each.migration].append(each.rule)

    for statement, rule in LOCKS.items():
        assert (rule in found[statement]) if rule else (found[statement] == []), statement


@pytest.fixture
def lineage(tmp_path: Path) -> Path:
    """A copy of the tenants' lineage."""
    shutil.copytree(ROOT / "migrations" / "tenant", tmp_path / "tenant")
    return tmp_path / "tenant"


def add(lineage: Path, body: str) -> str:
    head = newest_revision(lineage)
    number = f"{int(head) + 1:04d}"
    (lineage / "versions" / f"{number}_next.py").write_text(
        f'from alembic import op\n\nrevision, down_revision = "{number}", "{head}"\n'
        f"branch_labels = depends_on = None\n\n\ndef upgrade():\n    {body}\n"
    )
    return f"tenant/{number}"


def test_every_migration_is_checked_and_each_acceptance_is_needed(lineage: Path) -> None:
    assert checking.lint() == ([], [])
    name = add(lineage, "op.execute('CREATE INDEX ix_new ON site (tenant_id)')")
    reads = add(lineage, "op.get_bind().execute('SELECT').all()")

    found, needless = checking.lint({"tenant": lineage})

    assert [(each.migration, each.rule) for each in found] == [
        (name, "require-concurrent-index-creation"),
        (reads, "needs-a-database"),
    ]
    assert found[0].subject == "CREATE INDEX ix_new ON site (tenant_id);"
    assert needless == []


def test_an_acceptance_covers_what_it_names_and_no_more() -> None:
    twice = [Finding("tenant/0030", "rule", "site", "Do not.")] * 2
    once = Accepted("tenant/0030", "rule", ("site",), "A reason.")
    other = Accepted("tenant/0030", "rule", ("study",), "A reason.")

    assert not_accepted(twice, [once]) == twice[:1]
    assert not_accepted(twice, [other]) == twice
    assert stale(twice, [once], ["tenant/0030"]) == []
    assert "study" in stale(twice, [other], ["tenant/0030"])[0]


@pytest.mark.parametrize("reason", ['reason = " "', "", "reason = 7"])
def test_an_acceptance_needs_a_reason(tmp_path: Path, reason: str) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(f'[[accepted]]\nmigration = "a"\nrule = "b"\nsubjects = []\n{reason}\n')

    with pytest.raises(LintError, match="reason"):
        checking.read_accepted(path)


def test_the_command_prints_findings(run_command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_command("db", "lint").stdout == "No finding that is not accepted.\n"
    monkeypatch.setattr(checking, "read_accepted", list)

    result = run_command("db", "lint", "--json")

    assert result.exit_code == 1
    assert '"require-concurrent-index-creation"' in result.stdout
