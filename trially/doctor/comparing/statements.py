"""Compose the statements that read a database's catalogs: as digests, or row by row.

A digest is read of every database. Only where it differs from the reference's are rows read.
"""

from collections.abc import Iterable, Iterator, Mapping

from trially.doctor.comparing.row_texts import FIRST_OID_OF_USERS, RowText

_TEMPORARY = "'^pg_(toast_)?temp_[0-9]+$'"
"""Schemas of temporary objects, which one session alone can use."""

_IN_DATABASE = "NOT catalog_row.is_shared"

_UNITS = (
    "units AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(%(units)s)"
    " AS units (schema text, role text, tenant_id text))"
)

_ADDRESS_BY_REFERENCE = ("pg_class", "pg_proc", "pg_type", "pg_ts_config")
"""Where a catalog has no OIDs of its own, its rows belong to the object that its key names."""

_NOT_ADDRESSED = {"pg_enum": ("pg_type", "t.enumtypid")}
_CLASS_OF = {"pg_largeobject_metadata": "pg_largeobject"}

_DEFINITIONS = {
    "pg_constraint": (
        "format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s;', t.conrelid::regclass, t.conname,"
        " pg_get_constraintdef(t.oid))"
    ),
    "pg_index": "pg_get_indexdef(t.indexrelid) || ';'",
    "pg_proc": "CASE WHEN t.prokind IN ('f', 'p') THEN pg_get_functiondef(t.oid) || ';' END",
    "pg_rewrite": "pg_get_ruledef(t.oid)",
    "pg_trigger": "CASE WHEN NOT t.tgisinternal THEN pg_get_triggerdef(t.oid) || ';' END",
    "pg_policy": (
        "format('CREATE POLICY %%I ON %%s AS %%s FOR %%s TO %%s USING (%%s)%%s;', t.polname,"
        " t.polrelid::regclass, CASE WHEN t.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,"
        " CASE t.polcmd WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT'"
        " WHEN 'w' THEN 'UPDATE' ELSE 'DELETE' END,"
        " CASE WHEN t.polroles = '{0}' THEN 'PUBLIC'"
        " ELSE array_to_string(t.polroles::regrole[], ', ') END,"
        " coalesce(pg_get_expr(t.polqual, t.polrelid), 'true'),"
        " ' WITH CHECK (' || pg_get_expr(t.polwithcheck, t.polrelid) || ')')"
    ),
    "pg_attrdef": (
        "format('ALTER TABLE %%s ALTER COLUMN %%I SET DEFAULT %%s;', t.adrelid::regclass,"
        " (SELECT attname FROM pg_attribute WHERE attrelid = t.adrelid AND attnum = t.adnum),"
        " pg_get_expr(t.adbin, t.adrelid))"
    ),
}
"""The statement that creates a row's object, for remedies."""


def counts_sql(texts: Mapping[str, RowText]) -> str:
    """Return SQL for the rows of each catalog: initdb's and their versions, and others.

    A row that was changed has another `xmin`, which is larger. Databases of one server are copies
    of its template0, so rows that nobody changed have equal ones.
    """
    return " UNION ALL ".join(
        f"SELECT '{name}', count(*) FILTER (WHERE {_of_initdb(text)}),"
        f" coalesce(sum(xmin::text::bigint) FILTER (WHERE {_of_initdb(text)}), 0),"
        f" count(*) FILTER (WHERE {_of_users(text)}) FROM pg_catalog.{name} t"
        for name, text in _of_one_database(texts)
    )


def digests_sql(texts: Mapping[str, RowText]) -> str:
    """Return SQL for a digest of the rows of each scope, PostgreSQL's own rows excluded.

    Its parameters are those of `rows_sql`, except `wanted`.
    """
    branches = []
    for name, text in _of_one_database(texts):
        columns = ", ".join(text.fields.values())
        branches.append(
            f"SELECT {text.scope}, NULL, '{name} ' || ROW({columns})::text FROM {text.source} t"
            f" WHERE {_of_users(text)} AND {_not_excluded(text)}"
        )
        if text.acl:
            branches.append(
                f"SELECT {text.scope}, split_part(item::text, '=', 1), '{name} ' ||"
                f" ROW({_object_name(text)}, item)::text"
                f" FROM {_acl_source(text)} t CROSS JOIN unnest({text.acl}) AS item"
                f" WHERE {_of_users(text)} AND {_not_excluded(text)}"
            )
    content = _replaced("content", ("scope_role", "scope_schema", "scope_tenant_id"))
    return (
        f"WITH {_UNITS}, written (scope, grantee, content) AS ({' UNION ALL '.join(branches)}),"
        f" scoped AS ({_scoped('content')})"
        ' SELECT scope, count(*), md5(string_agg(content, chr(10) ORDER BY content COLLATE "C"))'
        f" FROM (SELECT scope, {content} AS content FROM scoped) replaced"
        f" WHERE scope !~ {_TEMPORARY} GROUP BY scope"
    )


def rows_sql(texts: Mapping[str, RowText], *, builtin: bool = False) -> str:
    """Return SQL for the rows of some scopes, each with the object that it belongs to.

    Parameters: `units`, the tenants' names as JSON; `excluded`, scopes to leave out; `wanted`, the
    scopes to read. With `builtin` the rows are PostgreSQL's own, of all scopes.
    """
    branches = []
    for name, text in _of_one_database(texts):
        which = _of_initdb(text) if builtin else _of_users(text)
        wanted = "true" if builtin else f"{text.scope} = ANY(%(wanted)s)"
        of_units = "SELECT schema FROM units"
        fields = ", ".join(f"'{label}', {value}" for label, value in text.fields.items())
        definition = _DEFINITIONS.get(name, "NULL")
        branches.append(
            f"SELECT '{name}', {text.scope}, NULL, json_build_object({fields})::text,"
            f" {_address(text)}, {definition}, {_name_override(text)} FROM {text.source} t"
            f" WHERE {which} AND {wanted}"
        )
        if text.acl:
            shared = "true" if builtin else f"({wanted} OR {text.scope} NOT IN ({of_units}))"
            branches.append(
                f"SELECT 'acl', {text.scope}, split_part(item::text, '=', 1),"
                f" json_build_object('item', item, 'owner', {text.owner}::oid::regrole)::text,"
                f" {_address(text)}, NULL, {_name_override(text)}"
                f" FROM {_acl_source(text)} t CROSS JOIN unnest({text.acl}) AS item"
                f" WHERE {which} AND {shared}"
            )
    return (
        f"WITH {_UNITS}, written (catalog, scope, grantee, content, classid, objid, subid,"
        f" definition, override) AS ({' UNION ALL '.join(branches)}), scoped AS"
        f" ({_scoped('catalog, content, classid, objid, subid, definition, override')})"
        " SELECT scope, catalog, content, this.type, coalesce(override, this.identity), above.type,"
        " above.identity, this.schema, definition FROM scoped"
        " CROSS JOIN LATERAL pg_identify_object(classid, objid, subid) AS this"
        " LEFT JOIN LATERAL (SELECT refclassid, refobjid FROM pg_depend"
        "  WHERE pg_depend.classid = scoped.classid AND pg_depend.objid = scoped.objid"
        "  AND objsubid = 0 AND deptype IN ('a', 'e', 'i', 'P') AND scoped.subid = 0"
        "  ORDER BY deptype = 'i' DESC, deptype = 'e' DESC LIMIT 1"
        " ) parent ON true"
        " LEFT JOIN LATERAL pg_identify_object("
        "  CASE WHEN scoped.subid <> 0 THEN scoped.classid ELSE parent.refclassid END,"
        "  CASE WHEN scoped.subid <> 0 THEN scoped.objid ELSE parent.refobjid END, 0"
        " ) AS above ON scoped.subid <> 0 OR parent.refobjid IS NOT NULL"
        f" WHERE scope !~ {_TEMPORARY}" + ("" if builtin else " AND scope = ANY(%(wanted)s)")
    )


def _of_one_database(texts: Mapping[str, RowText]) -> Iterator[tuple[str, RowText]]:
    for name, text in sorted(texts.items()):
        if not text.catalog.is_shared and text.fields:
            yield name, text


def _of_users(text: RowText) -> str:
    return f"{text.oid} >= {FIRST_OID_OF_USERS}" if text.oid else "true"


def _of_initdb(text: RowText) -> str:
    return f"{text.oid} < {FIRST_OID_OF_USERS}" if text.oid else "false"


def _not_excluded(text: RowText) -> str:
    return f"(cardinality(%(excluded)s::text[]) = 0 OR {text.scope} <> ALL(%(excluded)s))"


def _acl_source(text: RowText) -> str:
    if text.catalog.name == "pg_attribute":
        return "(SELECT * FROM pg_catalog.pg_attribute WHERE attacl IS NOT NULL)"
    return text.source


def _scoped(columns: str) -> str:
    """Return SQL that adds the unit of each row. A grant to a tenant's role is of its unit."""
    return (
        f"SELECT {columns}, coalesce(own.schema, granted.schema, scope) AS scope,"
        " coalesce(own.role, granted.role) AS scope_role,"
        " coalesce(own.schema, granted.schema) AS scope_schema,"
        " coalesce(own.tenant_id, granted.tenant_id) AS scope_tenant_id"
        " FROM written LEFT JOIN units own ON own.schema = scope"
        " LEFT JOIN units granted ON granted.role = grantee"
    )


def _replaced(content: str, of_unit: Iterable[str]) -> str:
    """Return an expression for a text in which the names of a placement are placeholders."""
    role, schema, tenant_id = of_unit
    common = f"replace(replace({content}, %(login)s, '{{login}}'), %(tenant_id)s, '{{tenant_id}}')"
    unit = common
    for name, placeholder in ((role, "role"), (schema, "schema"), (tenant_id, "tenant_id")):
        unit = f"replace({unit}, {name}, '{{{placeholder}}}')"
    return f"CASE WHEN scope_schema IS NULL THEN {common} ELSE {unit} END"


def _object_name(text: RowText) -> str:
    """Return an expression that tells the objects with grants apart."""
    return ", ".join(
        value for label, value in text.fields.items() if label in _NAMING[text.catalog.name]
    )


_NAMING = {
    "pg_attribute": {"attrelid", "attname"},
    "pg_class": {"relnamespace", "relname", "relkind"},
    "pg_database": {"datname"},
    "pg_foreign_data_wrapper": {"fdwname"},
    "pg_foreign_server": {"srvname"},
    "pg_language": {"lanname"},
    "pg_largeobject_metadata": {"lomowner"},
    "pg_namespace": {"nspname"},
    "pg_parameter_acl": {"parname"},
    "pg_proc": {"pronamespace", "proname", "proargtypes"},
    "pg_tablespace": {"spcname"},
    "pg_type": {"typnamespace", "typname"},
}


def _name_override(text: RowText) -> str:
    """Return an expression for the name of an object whose own name contains an OID, or NULL."""
    if text.catalog.name == "pg_trigger":
        return (
            "CASE WHEN t.tgisinternal THEN format('%%s of %%I on %%s', t.tgfoid::regproc,"
            " (SELECT conname FROM pg_constraint WHERE oid = t.tgconstraint),"
            " t.tgrelid::regclass) END"
        )
    if text.catalog.name == "pg_class":
        return "CASE t.relkind WHEN 't' THEN 'of ' || substr(t.relname, 10)::oid::regclass END"
    return "NULL"


def _address(text: RowText) -> str:
    """Return expressions for the class, OID and column of the object that a row belongs to."""
    catalog = text.catalog
    if catalog.name in _NOT_ADDRESSED:
        target, column = _NOT_ADDRESSED[catalog.name]
        return f"'{target}'::regclass::oid, {column}::oid, 0"
    if "oid" in catalog.columns:
        return f"'{_CLASS_OF.get(catalog.name, catalog.name)}'::regclass::oid, t.oid, 0"
    if catalog.name == "pg_attribute":
        return "'pg_class'::regclass::oid, t.attrelid, t.attnum::int"
    if {"objoid", "classoid", "objsubid"} <= set(catalog.columns):
        return "t.classoid, t.objoid, t.objsubid"
    for column in catalog.key:
        reference = catalog.reference_of(column)
        if reference is not None and reference.target in _ADDRESS_BY_REFERENCE:
            return f"'{reference.target}'::regclass::oid, t.{column}::oid, 0"
    return "NULL::oid, NULL::oid, 0"
