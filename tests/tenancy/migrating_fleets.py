"""Migrate a fleet to a next revision, and take it back after the test."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fleets import Fleet
from sqlalchemy import select, update

from trially.config import ROOT
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.migrating import running
from trially.tenancy.migrating.planning import RunOptions
from trially.tenancy.migrating.progress import Progress
from trially.tenancy.migrating.running import migrate_tenants
from trially.tenancy.schema.lineages import TENANT_LINEAGE, alembic_config
from trially.tenancy.schema.protection import create_policy_sql
from trially.tenancy.schema.revision_files import newest_revision

HEAD = newest_revision(TENANT_LINEAGE)
NEXT = f"{int(HEAD) + 1:04d}"
MIGRATION = """
from alembic import op

revision, down_revision = "{revision}", "{head}"
branch_labels = depends_on = None


def upgrade():
{body}
"""
ADD_VISITS = (
    "CREATE TABLE visit (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id)) -- of a patient",
    "".join(create_policy_sql("visit")),
    "ALTER TABLE site ADD CONSTRAINT ck_site_named CHECK (name <> 'Nameless')",
)
UNDO = (
    "DROP TABLE IF EXISTS {0}.visit",
    "ALTER TABLE {0}.site DROP CONSTRAINT IF EXISTS ck_site_named",
    "DROP INDEX IF EXISTS {0}.uq_site_seen",
    f"UPDATE {{0}}.alembic_version SET version_num = '{HEAD}'",
)

Migrate = Callable[..., Progress]


@pytest.fixture
def write_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let runs use a copy of the lineage with one more migration."""
    lineage = tmp_path / "tenant"
    shutil.copytree(ROOT / "migrations" / "tenant", lineage)
    monkeypatch.setattr(running, "alembic_config", lambda _lineage: alembic_config(lineage))

    def write(body: str) -> None:
        script = MIGRATION.format(revision=NEXT, head=HEAD, body=body)
        (lineage / "versions" / f"{NEXT}_next.py").write_text(script)

    return write


@pytest.fixture
def migrate(fleet: Fleet, write_next: Callable[[str], None]) -> Iterator[Migrate]:
    """Migrate the fleet to the next revision, and take it back after the test."""
    write_next("\n".join(f"    op.execute({statement!r})" for statement in ADD_VISITS))

    def run(**options: Any) -> Progress:
        resumes = options.pop("resumes", False)
        with fleet.app.app_context():
            return migrate_tenants(RunOptions(attempts=2, **options), resumes=resumes)

    yield run
    for slug in fleet.tenants:
        for statement in UNDO:
            run_in(fleet, slug, statement)
    blank = UNDO[0].format("blank"), UNDO[1].format("blank"), UNDO[3].format("blank")
    for statement in blank:
        fleet.administer(statement, of="schema-one")
    with fleet.app.app_context(), catalog_transaction() as session:
        session.execute(update(PlacementRecord).values(revision=HEAD, quarantine=None))


def run_in(fleet: Fleet, slug: str, statement: str) -> None:
    fleet.administer(statement.format(fleet.tenants[slug].placement.schema), of=slug)


def recorded(fleet: Fleet) -> dict[str, tuple[str | None, str | None]]:
    with fleet.app.app_context(), catalog_transaction() as session:
        records = session.scalars(select(PlacementRecord)).all()
        return {each.tenant.slug: (each.revision, each.quarantine) for each in records}


def names(progress: Progress) -> set[str]:
    return {each.place.name for each in progress.failed}
