"""`python -m trially.permission_tables` writes docs/permissions.md from what the code says."""

import sys
from collections.abc import Iterator, Sequence

from marshmallow import Schema

from trially.api import routes_only
from trially.auth.permissions import (
    DEFAULT_PHI_LEVELS,
    ROLE_PERMISSIONS,
    SHOWS_NO_PATIENT,
    SPANS_ALL_SITES,
    Permission,
    PhiLevel,
    Role,
)
from trially.http.contract import contract_of
from trially.http.masking import Phi, marks_of

LEFT_OF_MASKED = {
    Phi.NONE: "whole",
    Phi.IDENTIFIER: "`null`",
    Phi.DATE: "the first of its year",
    Phi.PRECISION: "`year`",
    Phi.POSTAL_CODE: "its first three characters",
    Phi.CODE_NAME: "whole, or `null` without a `code`",
}

INTRODUCTION = """\
# Who may do and see what

Written by `make docs` from the code; a test holds it to the code, and another asks every route as
every role at every level, restricted to a site and not.

A member of a tenant has a **role**, which says what they may do; a **PHI level**, which says how
much they are shown of patients; and, if they are restricted to **sites**, only the patients of
those. `flask tenants members add` and `change` set all three, `GET /me` shows them. A change acts
within 5 seconds.
"""

LEVELS = """\
`full` shows all of a patient. `none` shows no patient and no record, only how many there are
(`GET /patients/count`). `limited` shows patients and their records without what says who they are:

- In answers, fields are masked as the table below says; `x-phi` in the OpenAPI document says it
  too. A masked field and one that is not known are both `null`.
- Searching by a masked field, or changing one, is answered 403 and names the field: either would
  tell it bit by bit. No list is ordered by one.
- Whoever may add patients may do so at this level too: they know who it is. An MRN that is taken
  answers 409.

For HIPAA, this is a limited data set (45 CFR 164.514(e)) and somewhat less: that may have whole
birth dates, cities and postal codes. Like it, it keeps the dates of records and encounters, so it
is **not** de-identified (164.514(b)), and its use needs a data use agreement. Free text of sources
(`value_text`, and `value` on the timeline) is masked, for anything may stand in it; what codes are
called (`display`) is kept, but not the text that a source writes where it has no code.

An import says who patients are, so whoever may import is told so much at any level: how many of its
resources were new, had changed, or bear an MRN that is taken. Patients entered by hand are not an
import's to change.
"""

SITES = """\
For a member restricted to sites, the patients of other sites and of none do not exist: they are in
no list and no count, and they, their records and timeline answer 404. A patient they add or move
must be at one of their sites (422). Since an import may touch any patient, they have not got
{without}. Two things remain the whole tenant's: sites and studies are shown to all, and an MRN is
taken (409) whichever site its patient is at.
"""


def describe_permissions() -> str:
    """Return docs/permissions.md."""
    without = ", ".join(f"`{permission}`" for permission in sorted(SPANS_ALL_SITES))
    parts = [
        INTRODUCTION,
        "## Roles\n",
        _table(["permission", *Role], _permission_rows()),
        f"At the level `{PhiLevel.NONE}` what is marked ¹ is left, whatever the role.\n",
        "## PHI levels\n",
        LEVELS,
        _table(["field", *PhiLevel], _field_rows()),
        "## Sites\n",
        SITES.format(without=without),
        "## Routes\n",
        _table(["route", "permission"], _route_rows()),
    ]
    return "\n".join(parts)


def api_routes() -> Sequence[tuple[str, str, Permission, Schema | None]]:
    """Return the API's routes: method, path, permission, and what they answer with."""
    app = routes_only()
    routes = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        path = rule.rule.replace("<uuid:", "{").replace(">", "}")
        routes += [
            (method, path, view.__dict__["permission"], contract_of(view).result)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        ]
    return sorted(routes, key=lambda route: (route[1], route[0]))


def schemas_of_patients() -> Sequence[Schema]:
    """Return the schemas of answers that show something of single patients."""
    schemas = {
        type(schema): schema
        for _, _, permission, schema in api_routes()
        if schema is not None and permission not in SHOWS_NO_PATIENT
    }
    return list(schemas.values())


def _permission_rows() -> Iterator[list[str]]:
    for permission in Permission:
        mark = " ¹" if permission in SHOWS_NO_PATIENT else ""
        may = ["yes" if permission in ROLE_PERMISSIONS[role] else "" for role in Role]
        yield [f"`{permission}`{mark}", *may]
    yield ["PHI level, if none is given", *(DEFAULT_PHI_LEVELS[role] for role in Role)]


def _field_rows() -> Iterator[list[str]]:
    for schema in schemas_of_patients():
        name = type(schema).__name__.removesuffix("Schema")
        plain = []
        for field, phi in marks_of(schema):
            if phi is Phi.NONE:
                plain.append(f"`{field}`")
            else:
                yield [f"{name}: `{field}`", "whole", LEFT_OF_MASKED[phi], "403"]
        yield [f"{name}: {', '.join(plain)}", "whole", LEFT_OF_MASKED[Phi.NONE], "403"]


def _route_rows() -> Iterator[list[str]]:
    for method, path, permission, _ in api_routes():
        yield [f"`{method} {path}`", f"`{permission}`"]


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(describe_permissions())
