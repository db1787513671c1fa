"""Check the migrations of both lineages."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from trially.tenancy.linting.findings import Accepted, Finding, not_accepted, read_accepted, stale
from trially.tenancy.linting.own_rules import check_tenant_sql
from trially.tenancy.linting.printing import UnprintableError, sql_of
from trially.tenancy.linting.squawk import squawk
from trially.tenancy.schema.lineages import alembic_config
from trially.tenancy.schema.revision_files import CATALOG_LINEAGE, TENANT_LINEAGE
from trially.tenancy.schema.stepping import load_steps

LINEAGES = {"catalog": CATALOG_LINEAGE, "tenant": TENANT_LINEAGE}


def lint(
    lineages: dict[str, Path] = LINEAGES, accepted: Sequence[Accepted] | None = None
) -> tuple[list[Finding], list[str]]:
    """Return the findings that are not accepted, and a sentence for each needless acceptance."""
    entries = read_accepted() if accepted is None else accepted
    findings, migrations = find(lineages)
    return not_accepted(findings, entries), stale(findings, entries, migrations)


def find(lineages: dict[str, Path]) -> tuple[list[Finding], list[str]]:
    """Return all findings, and the names of the migrations that were checked."""
    scripts: dict[str, str] = {}
    findings: list[Finding] = []
    migrations = []
    for lineage, folder in lineages.items():
        steps = load_steps(alembic_config(folder))
        for revision in steps.revisions:
            name = f"{lineage}/{revision}"
            migrations.append(name)
            try:
                scripts[name] = sql_of(steps, revision)
            except UnprintableError as error:
                findings.append(_unprintable(name, error))
    tenants = (check_tenant_sql(name, scripts[name]) for name in _of_tenants(scripts))
    findings += [finding for found in tenants for finding in found]
    return sorted([*findings, *squawk(scripts)], key=lambda each: each.key), migrations


def _of_tenants(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith("tenant/")]


def _unprintable(name: str, error: UnprintableError) -> Finding:
    return Finding(
        name,
        "needs-a-database",
        "upgrade",
        f"Its SQL cannot be printed ({error}), so it is not checked. Change rows in a backfill.",
    )
