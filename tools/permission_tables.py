"""`python -m trially.permission_tables` writes docs/permissions.md from the code."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from marshmallow import Schema

from trially.api import routes_only
from trially.auth.permissions import Permission
from trially.auth.roles import (
    DEFAULT_PHI_LEVELS,
    NEEDS_FULL,
    ROLE_PERMISSIONS,
    SHOWS_NO_PATIENT,
    SPANS_ALL_SITES,
    PhiLevel,
    Role,
)
from trially.http.contract import contract_of
from trially.http.masking import marks_of
from trially.phi import Phi

MASKED_VALUES = {
    Phi.NONE: "whole",
    Phi.IDENTIFIER: "`null`",
    Phi.DATE: "January 1 of its year",
    Phi.PRECISION: "`year`",
    Phi.POSTAL_CODE: "its first three characters",
    Phi.CODE: "whole if it has the form of its code system, else `null`",
    Phi.MEMBERS: "whole but for the members that the tenant calls identifiers",
    Phi.VALUE_SET: "whole if it is in its value set, else `null`",
}

INTRODUCTION = """\
# Permissions

Written by `make docs` from the code. One test compares this page with the code. Another asks every route as every role, at every
PHI level, with and without a restriction to a site.

A member of a tenant has three attributes:

- a **role**, which grants permissions;
- a **PHI level**, which limits what the member sees of patients;
- optionally **sites**: the member then sees only the patients of these sites.

`flask tenants members add` and `change` set them, and `GET /me` shows them. A change takes effect within 5 seconds.
"""

LEVELS = """\
`full` shows all of a patient. `none` shows no patient and no record, only their number (`GET /patients/count`). `limited` shows
patients and their records without identifiers:

- Answers mask fields as the table below says. The OpenAPI document has the same marks (`x-phi`). Each item names its masked
  fields in `masked_fields`, so that a masked field differs from an unknown one. The names depend on the masked answer alone.
- Searching by a masked field, or changing one, is answered with 403. The problem names the field. Otherwise a caller could learn
  the value bit by bit. Sorting by a masked field is answered with 403 too.
- A member who may create patients may do so at this level too, because the member knows the patient. An MRN that exists already is
  answered with 409.

In HIPAA's terms this is a limited data set (45 CFR 164.514(e)), with less than the rule allows: it has no whole birth dates, cities
or postal codes. It keeps the dates of records and encounters, so it is **not** de-identified (164.514(b)), and its use needs a data
use agreement.

Whatever a source can fill with free text is masked, because it may hold anything: `value_text`, `value` on the timeline, and the
names of codes (`display`), which sources write as they like. A code is shown if its system is public and it has the form of that
system's codes, check digit included. A unit, status, category, race, state or the like is shown if it is in a value set
(`trially/value_sets/`). A client at this level finds the name of a code in its own terminology. The names of files, which may be
patients' names, and the reason why an import failed are masked at `limited` and `none`; the counts of errors by reason are shown.

An import discloses facts about patients at any PHI level: how many of its resources were new, had changed, or had an MRN that
exists already. An import cannot change patients who were entered manually.
"""

SITES = """\
For a member restricted to sites, the patients of other sites, and patients without a site, do not exist. They are in no list and no
count, and they, their records and their timeline answer 404. A patient whom the member creates or moves must be at one of the
member's sites (422). An import may change any patient, so restricted members lack {without}. Two facts about the whole tenant
remain visible: its sites and studies, and that an MRN exists already (409).
"""


def _named(permissions: Iterable[Permission]) -> str:
    return ", ".join(f"`{permission}`" for permission in sorted(permissions))


def describe_permissions() -> str:
    """Return docs/permissions.md."""
    without = _named(SPANS_ALL_SITES)
    parts = [
        INTRODUCTION,
        "## Roles\n",
        _table(["permission", *Role], _permission_rows()),
        f"At the PHI level `{PhiLevel.NONE}` only the permissions marked ¹ remain, whatever the role.\n",
        f"Only at the level `{PhiLevel.FULL}`: {_named(NEEDS_FULL)}, because an archive is not masked, and an issuer signs for members who see all.\n",
        "## PHI levels\n",
        LEVELS,
        _table(["field", *PhiLevel], _field_rows()),
        "## Sites\n",
        SITES.format(without=without),
        "## Routes\n",
        _table(["route", "permission"], _route_rows()),
    ]
    return "\n".join(parts)


def api_routes() -> Sequence[tuple[str, str, Permission | None, Schema | None]]:
    """Return the API's routes: method, path, permission, and the schema of the answer.

    A public route has no permission.
    """
    app = routes_only()
    routes = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        routes += [
            (method, path, view.__dict__["permission"], contract_of(view).result)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        ]
    return sorted(routes, key=lambda route: (route[1], route[0]))


def schemas_of_patients() -> Sequence[Schema]:
    """Return the schemas of answers that show single patients."""
    schemas = {
        type(schema): schema
        for _, _, permission, schema in api_routes()
        if schema is not None and permission not in SHOWS_NO_PATIENT | {None}
    }
    return list(schemas.values())


def _permission_rows() -> Iterator[list[str]]:
    for permission in Permission:
        mark = " ¹" if permission in SHOWS_NO_PATIENT else ""
        may = ["yes" if permission in ROLE_PERMISSIONS[role] else "" for role in Role]
        yield [f"`{permission}`{mark}", *may]
    yield ["PHI level by default", *(DEFAULT_PHI_LEVELS[role] for role in Role)]


def _field_rows() -> Iterator[list[str]]:
    for schema in schemas_of_patients():
        name = type(schema).__name__.removesuffix("Schema")
        plain = []
        in_sets = []
        for field, phi in marks_of(schema):
            if phi is Phi.NONE:
                plain.append(f"`{field}`")
            elif phi is Phi.VALUE_SET:
                in_sets.append(f"`{field}`")
            else:
                yield [f"{name}: `{field}`", "whole", MASKED_VALUES[phi], "403"]
        if in_sets:
            yield [f"{name}: {', '.join(in_sets)}", "whole", MASKED_VALUES[Phi.VALUE_SET], "403"]
        yield [f"{name}: {', '.join(plain)}", "whole", MASKED_VALUES[Phi.NONE], "403"]


def _route_rows() -> Iterator[list[str]]:
    for method, path, permission, _ in api_routes():
        yield [f"`{method} {path}`", f"`{permission}`"]


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(describe_permissions())
