"""`python -m tools.field_table` writes the table of columns into docs/field-encryption.md."""

import sys
from collections import defaultdict
from pathlib import Path

import trially.request_cycle.idempotency_keys  # noqa: F401  it has a table of its own
from trially.api import find_blueprints
from trially.database.changes import shows_patients
from trially.database.model import TenantModel
from trially.database.protection import (
    Blinded,
    Discarded,
    Protection,
    Readable,
    Sealed,
    protection_of,
)

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "field-encryption.md"
BEGIN, END = "<!-- columns -->", "<!-- end of columns -->"


def render() -> str:
    """Return the table: one line for each table and protection."""
    list(find_blueprints())
    rows = ["| table | columns | stored as |", "|---|---|---|"]
    for name, table in sorted(TenantModel.metadata.tables.items()):
        columns: defaultdict[Protection, list[str]] = defaultdict(list)
        for column in table.columns:
            protection = protection_of(table, column.name)
            if protection is not None and (
                shows_patients(table) or not isinstance(protection, Readable)
            ):
                columns[protection].append(f"`{column.name}`")
        rows += [
            f"| `{name}` | {', '.join(names)} | {_describe(protection)} |"
            for protection, names in columns.items()
        ]
    return "\n".join(rows)


def with_table(document: str) -> str:
    """Return the document with the table of today."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{after}"


def _describe(protection: Protection) -> str:
    match protection:
        case Sealed(exception=""):
            return "encrypted"
        case Sealed(exception=exception):
            return f"encrypted. {exception}"
        case Blinded(bits=bits):
            return f"blind index of {bits} bits alone"
        case Discarded(reason=reason):
            return f"as it is. {reason}"
        case Readable(reason=reason):
            return f"as it is. {reason}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stderr.write(f"Wrote the table of columns in {DOCUMENT.name}.\n")
