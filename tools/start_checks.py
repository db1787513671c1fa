"""`python -m tools.start_checks` checks what would take too long at each start of a worker.

It builds the OpenAPI documents of all planes, which fails if a view, field or argument lacks a
description or an example. It reads the migrations, which fails if one creates a table without its
row security policy or its version trigger. No database is needed.

What the app itself checks at its start is cheap: permissions, PHI marks, scopes and subjects.
"""

import sys

from trially import analysts, api, platform
from trially.openapi.document import describe
from trially.openapi.planes import ORGANISATIONS, PLATFORM, TENANTS
from trially.tenancy.schema.migration_files import check_migrations
from trially.tenancy.schema.protection import UnprotectedTableError
from trially.version import VERSION


def find_problem() -> str | None:
    """Return what is wrong as a sentence, None if nothing is."""
    app = api.routes_only()
    api.add_rooms(app, (platform, analysts))
    try:
        for plane in (TENANTS, PLATFORM, ORGANISATIONS):
            describe(app, VERSION, plane)
        check_migrations()
    except (TypeError, UnprotectedTableError) as error:
        return str(error)
    return None


def main() -> int:
    """Print the first problem, and return the exit status."""
    problem = find_problem()
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main())
