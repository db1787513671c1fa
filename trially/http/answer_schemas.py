"""What a schema of an answer must not use, because answers would ignore it.

A schema documents an answer and masks it; the answer itself is rendered from the row. So an option
that changes how marshmallow would dump a field changes the documentation and not the answer.
"""

from collections.abc import Iterator

from marshmallow import Schema, fields

_IGNORED_FIELDS = (fields.Function, fields.Method, fields.Constant, fields.Pluck)
_DUMP_HOOKS = ("pre_dump", "post_dump")


class IgnoredOptionError(TypeError):
    """A schema uses an option that answers would ignore."""


def refuse_ignored_options(schema: Schema) -> None:
    """Raise `IgnoredOptionError` if the schema, or one nested in it, uses an ignored option."""
    for fault in _find_ignored(schema, type(schema).__name__):
        raise IgnoredOptionError(
            f"{fault}, which answers ignore: they are rendered from rows. Name the field as the"
            " column, and compute values in SQL."
        )


def _find_ignored(schema: Schema, path: str) -> Iterator[str]:
    for hook in _DUMP_HOOKS:
        if schema._hooks.get(hook):  # noqa: SLF001
            yield f"{path} has a @{hook} hook"
    for name, field in schema.fields.items():
        where = f"{path}.{name}"
        if isinstance(field, _IGNORED_FIELDS):
            yield f"{where} is a fields.{type(field).__name__}"
        if not type(field)._serialize.__module__.startswith("marshmallow."):  # noqa: SLF001
            yield f"{where} is a {type(field).__name__}, which has a _serialize of its own"
        if field.load_only:
            yield f"{where} is load_only"
        if field.data_key not in (None, name):
            yield f"{where} has data_key={field.data_key!r}"
        if field.attribute not in (None, name):
            yield f"{where} has attribute={field.attribute!r}"
        if isinstance(field, fields.DateTime) and field.format not in (None, "iso"):
            yield f"{where} has format={field.format!r}"
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield from _find_ignored(inner.schema, where)
