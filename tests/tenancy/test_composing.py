"""The statements of a migration, composed once for all tenants."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from migrating_fleets import HEAD, MIGRATION, NEXT

from trially.tenancy.schema.composing import Composed, compose
from trially.tenancy.schema.lineages import TENANT_LINEAGE, alembic_config
from trially.tenancy.schema.stepping import load_steps

DOWNGRADE = """

def downgrade():
    op.execute("DROP INDEX ix_next")
"""

Compose = Callable[..., Composed | None]


@pytest.fixture
def compose_next(tmp_path: Path) -> Compose:
    """Compose one more migration, or take it back."""
    lineage = tmp_path / "tenant"
    shutil.copytree(TENANT_LINEAGE, lineage)

    def composed(body: str, *, is_back: bool = False) -> Composed | None:
        script = (MIGRATION + DOWNGRADE).format(revision=NEXT, head=HEAD, body=f"    {body}")
        (lineage / "versions" / f"{NEXT}_next.py").write_text(script)
        steps = load_steps(alembic_config(lineage))
        (step,) = steps.back(NEXT, HEAD) if is_back else steps.forward(HEAD, NEXT)
        return compose(steps, step)

    return composed


def test_a_migration_is_composed_as_it_is_written(compose_next: Compose) -> None:
    written = compose_next("op.execute(\"UPDATE site SET name = 'a:b%' WHERE name LIKE '%s'\")")

    assert written == Composed(("UPDATE site SET name = 'a:b%' WHERE name LIKE '%s'",))
    back = compose_next("pass", is_back=True)
    assert back == Composed(("DROP INDEX ix_next",))
    assert compose_next("pass") == Composed(())


@pytest.mark.parametrize(
    "body",
    [
        "op.get_bind().execute('SELECT 1')",
        "op.execute('SELECT 1' if op.get_context().as_sql else 'SELECT 2')",
        "import os; op.execute(os.environ['HOME'])",
        "op.execute(f'SELECT {id(object())}, {__import__(chr(111) + chr(115)).urandom(8)!r}')",
        "op.execute('SELECT 1\\t')",
        "with op.get_context().autocommit_block(): op.execute('SELECT 1')",
        "raise RuntimeError",
    ],
)
def test_a_migration_that_does_more_is_run_for_each_place(compose_next: Compose, body: str) -> None:
    assert compose_next(body) is None


def test_the_first_migration_creates_the_table_of_revisions_itself() -> None:
    steps = load_steps(alembic_config(TENANT_LINEAGE))

    assert compose(steps, steps.forward(None, HEAD)[0]) is None
    assert compose(steps, steps.back(HEAD, "base")[-1]) is None


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE site ADD COLUMN seen text",
        'ALTER TABLE "site" ADD COLUMN IF NOT EXISTS rate NUMERIC(10, 2) DEFAULT 1 NOT NULL',
        "alter table site\n add column seen timestamptz",
        "CREATE INDEX ix_site_seen ON site (tenant_id, seen)",
        "CREATE UNIQUE INDEX uq_site_seen ON site (tenant_id, seen) WHERE seen IS NOT NULL",
        "DROP INDEX ix_site_seen",
        "SET LOCAL lock_timeout = '5s'",
    ],
)
def test_an_addition_keeps_the_protection_of_tables(statement: str) -> None:
    assert Composed((statement, statement)).only_adds


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE visit (id uuid)",
        "ALTER TABLE site ADD COLUMN version bigint",
        'ALTER TABLE site ADD COLUMN "tenant_id" uuid',
        "ALTER TABLE site ADD COLUMN IF NOT EXISTS version bigint",
        "ALTER TABLE site ADD COLUMN seen text, DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE site ADD COLUMN seen text; DROP POLICY tenant_rows ON site",
        "CREATE INDEX ix_site_seen ON site (seen); GRANT ALL ON site TO PUBLIC",
        "ALTER TABLE site DROP CONSTRAINT ck_this_tenant",
        "ALTER TABLE site DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER grow_version ON site",
        "REVOKE ALL ON site FROM PUBLIC",
        "DO $$ BEGIN END $$",
        "SET ROLE postgres",
    ],
)
def test_other_statements_are_followed_by_the_checks(statement: str) -> None:
    assert not Composed(("DROP INDEX ix_site_seen", statement)).only_adds
