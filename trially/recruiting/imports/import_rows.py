"""The rows of imports: which columns are shown, and which import the same input continues."""

from sqlalchemy import select

from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.recruiting.imports.model import UNFINISHED, Completeness, ImportJob

OUTCOME_COLUMNS = (
    "source",
    "state",
    "strict",
    "counts",
    "passed_over",
    "error_count",
    "refused_count",
    "error_counts",
    "error_groups",
    "failure",
    "completeness",
    "missing",
)
"""The columns that a dry run of an import has too."""

SHOWN_COLUMNS = (
    "id",
    *OUTCOME_COLUMNS,
    "started_by",
    "created_at",
    "updated_at",
    "ended_at",
    "version",
)
READ_COLUMNS = (*SHOWN_COLUMNS, "next_part", "next_line")
"""The columns from which an import continues."""


def find_unfinished(source: str, fingerprint: str, *, is_complete: bool) -> Item | None:
    """Return the unfinished import of this input, if it was declared in the same way.

    The keys of what an import has read are known only if it was declared a full export from the
    beginning.
    """
    job = table_of(ImportJob)
    statement = (
        select(*columns_named(ImportJob, READ_COLUMNS))
        .where(
            of_current_tenant(ImportJob),
            job.c.fingerprint == fingerprint,
            job.c.source == source,
            job.c.state.in_(UNFINISHED),
            job.c.completeness.in_([Completeness.READING, Completeness.INCOMPLETE])
            if is_complete
            else job.c.completeness.is_(None),
        )
        .order_by(job.c.id.desc())
        .limit(1)
    )
    return next(iter(fetch_items(statement)), None)
