"""`python -m tools.criteria_reference` writes the tables of docs/criteria.md and its JSON Schema."""

import json
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any

from trially.recruiting.criteria.language.codes import Codes
from trially.recruiting.criteria.language.criteria import Criteria, Criterion
from trially.recruiting.criteria.language.json_schema import criteria_schema
from trially.recruiting.criteria.language.nodes import KINDS
from trially.recruiting.criteria.language.objects import Object, Part, keys_of
from trially.recruiting.criteria.language.parts import Source, Value, Window
from trially.recruiting.criteria.language.shapes import Choice, Many, Shape

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "criteria.md"
SCHEMA = DOCS / "criteria.schema.json"
BEGIN, END = "<!-- reference -->", "<!-- end of reference -->"

PARTS: dict[str, type[Part]] = {
    "criteria of a study": Criteria,
    "criterion": Criterion,
    **{f"`{name}`": shape.part for name, shape in KINDS.items()},
    "codes: `in`": Codes,
    "`within`": Window,
    "`value`": Value,
    "`source`": Source,
}


def render() -> str:
    """Return a table for each object of the language."""
    return "\n\n".join("\n".join(_table(name, part)) for name, part in PARTS.items())


def schema_text() -> str:
    """Return the JSON Schema as it is published."""
    return json.dumps(criteria_schema(), indent=2) + "\n"


def with_reference(page: str) -> str:
    """Return the page with the tables of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{after}"


def _table(name: str, part: type[Part]) -> Iterator[str]:
    about = " ".join((part.__doc__ or "").split())
    yield f"**{name}** {about}"
    yield ""
    yield "| member | value | default | meaning |"
    yield "|---|---|---|---|"
    for member, field in keys_of(part).items():
        written = "the value itself" if part.direct else f"`{member}`"
        meaning = field.metadata["about"]
        yield f"| {written} | {_value(field)} | {_default(field)} | {meaning} |"


def _value(field: "Field[Any]") -> str:
    shape: Shape[Any] = field.metadata["shape"]
    plural = isinstance(shape, Many)
    while isinstance(shape, Many):
        shape = shape.of
    if isinstance(shape, Choice):
        text = ", ".join(f"`{word.value}`" for word in shape.words)
    elif isinstance(shape, Object):
        text = f"object: {shape.part.__name__.lower()}"
    else:
        text = (type(shape).__doc__ or "").split("\n")[0].split(":")[0].rstrip(".").lower()
    return f"list of: {text}" if plural else text


def _default(field: "Field[Any]") -> str:
    if field.default is MISSING:
        return "required"
    if field.default in (None, ()):
        return ""
    written = field.metadata["shape"].dump(field.default)
    return "" if written == {} else f"`{json.dumps(written)}`"


if __name__ == "__main__":
    PAGE.write_text(with_reference(PAGE.read_text("utf-8")), "utf-8")
    SCHEMA.write_text(schema_text(), "utf-8")
    sys.stderr.write(f"Wrote the reference in {PAGE.name} and {SCHEMA.name}.\n")
