"""Write quantities as people read them."""

from typing import Any

from trially.recruiting.imports.fhir.rows import LONGEST_CODE
from trially.recruiting.imports.fhir.values import is_number, read_object, read_text, write_number


def describe_quantity(value: object) -> str | None:
    """Return a Quantity, Range or Ratio as text: `500 mg`, `1 - 2 {tbl}`."""
    fields = read_object(value)
    for first, joint, second in (("low", " - ", "high"), ("numerator", " / ", "denominator")):
        if first in fields or second in fields:
            ends = [describe_quantity(fields.get(end)) for end in (first, second)]
            return joint.join(end or "…" for end in ends) if any(ends) else None
    number: Any = fields.get("value")
    if not is_number(number):
        return None
    unit = read_text(fields.get("unit"), LONGEST_CODE) or read_text(
        fields.get("code"), LONGEST_CODE
    )
    comparator = read_text(fields.get("comparator"), 2) or ""
    return f"{comparator}{write_number(number)} {unit or ''}".strip()
