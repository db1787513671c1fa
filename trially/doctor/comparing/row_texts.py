"""Compose SQL expressions that write a catalog's row without what differs between equal databases.

Two databases with equal objects have other OIDs, file numbers and transaction ids. So references
become names, stored expressions become SQL, and columns that say nothing of an object are left out.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from trially.doctor.comparing.row_rules import ACL_KINDS, LEFT_OUT, WRITTEN
from trially.doctor.comparing.system_catalogs import Reference, SystemCatalog

FIRST_OID_OF_USERS = 16384
"""Objects with a lower OID were created by initdb."""

_REG_TYPES = {
    "pg_authid": "regrole",
    "pg_class": "regclass",
    "pg_collation": "regcollation",
    "pg_namespace": "regnamespace",
    "pg_operator": "regoperator",
    "pg_proc": "regprocedure",
    "pg_ts_config": "regconfig",
    "pg_ts_dict": "regdictionary",
    "pg_type": "regtype",
}
"""The types that print an OID as a name, with its schema."""

_TOAST = "(SELECT oid FROM pg_class WHERE relnamespace = 'pg_toast'::regnamespace)"
_TOAST_AND_INDEXES = (
    "(SELECT oid FROM pg_class WHERE relkind IN ('i', 'I')"
    " OR relnamespace = 'pg_toast'::regnamespace)"
)

_SOURCES: Mapping[str, str] = {
    "pg_attribute": (
        "(SELECT *, row_number() OVER (PARTITION BY attrelid ORDER BY attnum) AS position"
        " FROM pg_catalog.pg_attribute WHERE attnum > 0 AND NOT attisdropped"
        f" AND attrelid NOT IN {_TOAST_AND_INDEXES})"
    ),
    "pg_class": (
        "(SELECT * FROM pg_catalog.pg_class"
        " WHERE relnamespace <> 'pg_toast'::regnamespace OR relkind = 't')"
    ),
    "pg_index": f"(SELECT * FROM pg_catalog.pg_index WHERE indrelid NOT IN {_TOAST})",
}
"""A table's TOAST table is compared as one row: its columns and index are always the same.

The columns of an index follow from its definition.
"""


@dataclass(frozen=True)
class RowText:
    """How one catalog's rows are read: the parts of a SELECT in which the catalog is called t."""

    catalog: SystemCatalog
    source: str
    oid: str | None
    """The OID that tells rows of initdb from others; None if there is none."""

    fields: Mapping[str, str]
    """An expression for each column, and for each definition."""

    scope: str
    """The name of the schema that the row belongs to; empty if it belongs to none."""

    acl: str | None
    """The `aclitem[]` with all grants, the default ones included."""

    owner: str | None


def row_texts(catalogs: Mapping[str, SystemCatalog]) -> dict[str, RowText]:
    """Return how the rows of each catalog are written."""
    return {name: _row_text(catalog, catalogs) for name, catalog in catalogs.items()}


def _row_text(catalog: SystemCatalog, catalogs: Mapping[str, SystemCatalog]) -> RowText:
    acl_columns = [name for name, kind in catalog.columns.items() if kind == "aclitem[]"]
    acl = owner = None
    if catalog.name in ACL_KINDS and acl_columns:
        kind, owner = ACL_KINDS[catalog.name]
        quoted = f"'{kind}'"
        if catalog.name == "pg_class":
            quoted = "CASE t.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r' END"
        acl = f"coalesce(t.{acl_columns[0]}, acldefault({quoted}, {owner}))"
    fields = dict(_fields(catalog, catalogs, acl_columns if acl else ()))
    key = catalog.key[0] if catalog.key else next(iter(catalog.columns), "")
    return RowText(
        catalog,
        _SOURCES.get(catalog.name, f"pg_catalog.{catalog.name}"),
        f"t.{key}::oid" if catalog.columns.get(key) in ("oid", "regproc") else None,
        fields,
        _scope(catalog),
        acl,
        owner,
    )


def _fields(
    catalog: SystemCatalog, catalogs: Mapping[str, SystemCatalog], compared_apart: Collection[str]
) -> Iterator[tuple[str, str]]:
    written = WRITTEN.get(catalog.name, {})
    left_out = LEFT_OUT.get(catalog.name, frozenset())
    for column in catalog.columns:
        if column == "oid" or column in left_out or column in compared_apart:
            continue
        yield column, written.get(column) or _named(catalog, column, catalogs)
    known = {*catalog.columns, *catalog.unreadable}
    if catalog.columns:
        yield from ((name, text) for name, text in written.items() if name not in known)


def _named(catalog: SystemCatalog, column: str, catalogs: Mapping[str, SystemCatalog]) -> str:
    """Return an expression for a column in which references are names."""
    reference = catalog.reference_of(column)
    if reference is None:
        attributes = catalog.attribute_reference_of(column)
        return f"t.{column}" if attributes is None else _column_names(attributes)
    reg_type = _REG_TYPES.get(reference.target)
    if reg_type is not None:
        array = "[]" if reference.is_array else ""
        return f"t.{column}::oid{array}::{reg_type}{array}"
    name = _name_of_row(reference.target, catalogs)
    if reference.is_array:
        names = f"SELECT {name} FROM {reference.target} n WHERE n.oid = u.oid"
        return (
            f"ARRAY(SELECT ({names}) FROM unnest(t.{column}::oid[])"
            " WITH ORDINALITY AS u (oid, place) ORDER BY place)"
        )
    return f"(SELECT {name} FROM {reference.target} n WHERE n.oid = t.{column})"


def _column_names(reference: Reference) -> str:
    """Return an expression for the names of the columns whose numbers a column holds."""
    table, column = reference.columns
    if not reference.is_array:
        return (
            f"(SELECT attname FROM pg_attribute WHERE attrelid = t.{table} AND attnum = t.{column})"
        )
    return (
        f"ARRAY(SELECT attname FROM unnest(t.{column}::int2[]) WITH ORDINALITY AS u (number, place)"
        f" JOIN pg_attribute ON attrelid = t.{table} AND attnum = number ORDER BY place)"
    )


def _name_of_row(target: str, catalogs: Mapping[str, SystemCatalog]) -> str:
    """Return an expression for the name of a row of `target`, called n, with its schema."""
    catalog = catalogs[target]
    name = next((column for column, kind in catalog.columns.items() if kind == "name"), "oid")
    for reference in catalog.references:
        if reference.target == "pg_namespace" and not reference.is_optional:
            return f"concat_ws('.', n.{reference.columns[0]}::regnamespace, n.{name})"
    return f"n.{name}"


_SCOPE_OF = {
    "pg_class": "(SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = {})",
    "pg_type": "(SELECT typnamespace::regnamespace::text FROM pg_type WHERE oid = {})",
    "pg_proc": "(SELECT pronamespace::regnamespace::text FROM pg_proc WHERE oid = {})",
}


def _scope(catalog: SystemCatalog) -> str:
    if catalog.name == "pg_namespace":
        return "quote_ident(t.nspname)"
    if catalog.name == "pg_class":
        # The name of a TOAST table contains the OID of its table.
        toasted = _SCOPE_OF["pg_class"].format("substr(t.relname, 10)::oid")
        return f"CASE t.relkind WHEN 't' THEN {toasted} ELSE t.relnamespace::regnamespace::text END"
    single = [r for r in catalog.references if len(r.columns) == 1 and not r.is_array]
    for target, is_optional in (
        ("pg_namespace", False),
        ("pg_class", False),
        ("pg_type", False),
        ("pg_proc", False),
        ("pg_namespace", True),
    ):
        for reference in single:
            if (reference.target, reference.is_optional) == (target, is_optional):
                column = f"t.{reference.columns[0]}"
                if target != "pg_namespace":
                    return _SCOPE_OF[target].format(column)
                named = f"{column}::regnamespace::text"
                return f"CASE WHEN {column} = 0 THEN '' ELSE {named} END" if is_optional else named
    return "''"
