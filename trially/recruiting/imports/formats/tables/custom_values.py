"""Read the cells of the tenant's own fields of patients."""

from collections.abc import Mapping

from trially.recruiting.custom_fields.choices import CustomType
from trially.recruiting.custom_fields.values import Definition, UnfitValueError, Value
from trially.recruiting.imports.formats.tables.cells import Cells
from trially.recruiting.imports.formats.tables.patients import FLAGS


def read_custom_values(cells: Cells, fields: Mapping[str, Definition]) -> dict[str, Value]:
    """Return the values of a row, by the name of their field. An empty cell has none.

    A cell that does not fit its field is left out, and is a fault of the row.
    """
    values = {}
    for name, field in fields.items():
        value = _read(cells, name, field)
        if value is not None:
            values[field.name] = value
    return values


def _read(cells: Cells, name: str, field: Definition) -> Value | None:
    number_of_faults = len(cells.faults)
    text = cells.text(name)
    value = None if text is None else _value_of(cells, name, field, text)
    if value is None or len(cells.faults) > number_of_faults:
        return None
    try:
        field.check(value)
    except UnfitValueError as error:
        problem = str(error).rstrip(".")
        cells.add_fault(name, f"does not fit the custom field. {problem}")
        return None
    return value


def _value_of(cells: Cells, name: str, field: Definition, text: str) -> Value | None:
    if field.type is CustomType.BOOLEAN:
        word = cells.word(name, FLAGS)
        return None if word is None else word == "true"
    if field.type is CustomType.DATE:
        return cells.date(name, day_only=True)
    if field.type is CustomType.NUMBER:
        return cells.plain_number(name)
    return cells.said(name, text)
