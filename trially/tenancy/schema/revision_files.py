"""The two lineages of migrations: the catalog's, and the one that all tenants share, as files."""

import hashlib
from functools import cache
from pathlib import Path

from trially.config import ROOT

CATALOG_LINEAGE = ROOT / "migrations" / "catalog"
TENANT_LINEAGE = ROOT / "migrations" / "tenant"


def newest_revision(lineage: Path) -> str:
    """Return the newest revision of a lineage, from the names of its files.

    Alembic reads the same from the files' contents, which takes a hundred times as long. Each
    file's name begins with its revision, and they form one sequence: `make check` holds both.
    """
    revisions = revisions_of(lineage)
    if not revisions:
        raise RuntimeError(f"{lineage} contains no migrations.")
    return max(revisions)


def revisions_of(lineage: Path) -> frozenset[str]:
    """Return the revisions of a lineage, from the names of its files."""
    files = (lineage / "versions").glob("[0-9]*.py")
    return frozenset(path.name.partition("_")[0] for path in files)


def fingerprint_of(lineage: Path) -> str:
    """Return a short digest of a lineage's files; it differs when a migration was edited."""
    return fingerprints_of(lineage)[-1]


@cache
def fingerprints_of(lineage: Path) -> tuple[str, ...]:
    """Return the digest of the first migration's file, that of the first two, and so on."""
    digest = hashlib.sha256()
    found = []
    for script in sorted((lineage / "versions").glob("*.py")):
        digest.update(script.read_bytes())
        found.append(digest.hexdigest()[:12])
    return tuple(found)
