"""Which sources the current tenant has."""

from sqlalchemy import func, select

from trially.database.rows import columns_named, fetch_items, of_current_tenant
from trially.recruiting.sources.model import RecordSource

NAMED_AT_MOST = 20


def describe_sources() -> str:
    """Return a sentence that names the tenant's sources, for people who named none."""
    rows = fetch_items(
        select(*columns_named(RecordSource, ("name",)), func.count().over().label("number"))
        .where(of_current_tenant(RecordSource))
        .order_by(RecordSource.name)
        .limit(NAMED_AT_MOST)
    )
    if not rows:
        return (
            "This tenant has no source yet: choose a name for the system that assigned the ids of"
            " the records, such as 'epic'."
        )
    more = rows[0]["number"] - len(rows)
    names = ", ".join(f"'{row['name']}'" for row in rows) + (f" and {more} more" if more else "")
    return (
        "It is the system that assigned the ids of the records. This tenant has the sources"
        f" {names}. A new name makes a new source."
    )
