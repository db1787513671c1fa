"""What is special in the columns of single catalogs. All other columns are compared as they are."""

from collections.abc import Mapping

LEFT_OUT: Mapping[str, frozenset[str]] = {
    "pg_class": frozenset(
        {
            *("relfilenode", "relpages", "reltuples", "relallvisible", "relallfrozen"),
            *("relfrozenxid", "relminmxid", "relnatts", "relchecks", "relrewrite"),
            *("relhasindex", "relhasrules", "relhastriggers", "relhassubclass"),
        }
    ),
    "pg_attribute": frozenset(
        {"attnum", "attndims", "attcacheoff", "atthasmissing", "attmissingval"}
    ),
    "pg_index": frozenset({"indkey", "indexprs", "indpred", "indcheckxmin"}),
    "pg_trigger": frozenset({"tgattr", "tgqual", "tgargs"}),
    "pg_rewrite": frozenset({"ev_qual", "ev_action"}),
    "pg_constraint": frozenset({"conbin"}),
    "pg_partitioned_table": frozenset({"partexprs"}),
    "pg_statistic_ext": frozenset({"stxexprs"}),
    "pg_database": frozenset({"datfrozenxid", "datminmxid"}),
}
"""Columns of storage, of statistics and of hints, and those that a definition contains.

PostgreSQL sets the hints `relhas…` late, and a table's dropped columns keep their numbers.
A table that is made LIKE another has no dimensions of arrays, which PostgreSQL never checks.
"""

WRITTEN: Mapping[str, Mapping[str, str]] = {
    "pg_class": {
        "relname": "CASE t.relkind WHEN 't' THEN 'toast' ELSE t.relname END",
        "reltoastrelid": "t.reltoastrelid <> 0",
        "relpartbound": "pg_get_expr(t.relpartbound, t.oid)",
    },
    "pg_attribute": {
        # The releases of November 2026 store a random version of the column's statistics here.
        "attoptions": (
            "(SELECT array_agg(option ORDER BY option) FROM unnest(t.attoptions) AS option"
            " WHERE NOT starts_with(option, 'pg_attver='))"
        ),
        "position": "t.position",
    },
    "pg_attrdef": {"adbin": "pg_get_expr(t.adbin, t.adrelid)"},
    "pg_authid": {
        "rolpassword": (
            "CASE WHEN starts_with(t.rolpassword, 'SCRAM-SHA-256$')"
            " THEN split_part(t.rolpassword, ':', 1) ELSE left(t.rolpassword, 3) END"
        ),
        "rolvaliduntil": "nullif(t.rolvaliduntil, 'infinity')",
    },
    "pg_constraint": {
        "definition": "pg_get_constraintdef(t.oid)",
        # A dump creates the key of a partition before the key of its table, which sets another.
        "connoinherit": "CASE WHEN t.conparentid = 0 THEN t.connoinherit END",
    },
    "pg_index": {"definition": "pg_get_indexdef(t.indexrelid)"},
    "pg_partitioned_table": {"definition": "pg_get_partkeydef(t.partrelid)"},
    "pg_policy": {
        "polqual": "pg_get_expr(t.polqual, t.polrelid)",
        "polwithcheck": "pg_get_expr(t.polwithcheck, t.polrelid)",
    },
    "pg_proc": {
        "proargdefaults": "pg_get_expr(t.proargdefaults, 0)",
        "prosqlbody": "pg_get_function_sqlbody(t.oid)",
    },
    "pg_publication_rel": {"prqual": "pg_get_expr(t.prqual, t.prrelid)"},
    "pg_rewrite": {"definition": "pg_get_ruledef(t.oid)"},
    "pg_statistic_ext": {"definition": "pg_get_statisticsobjdef(t.oid)"},
    "pg_trigger": {
        # The name of a trigger of a foreign key contains an OID.
        "tgname": "CASE WHEN t.tgisinternal THEN '' ELSE t.tgname END",
        "definition": "CASE WHEN NOT t.tgisinternal THEN pg_get_triggerdef(t.oid) END",
    },
    "pg_type": {"typdefaultbin": "pg_get_expr(t.typdefaultbin, 0)"},
}
"""Columns that need an expression of their own, and definitions that replace several columns."""

ACL_KINDS: Mapping[str, tuple[str, str]] = {
    "pg_attribute": ("c", "(SELECT relowner FROM pg_class WHERE oid = t.attrelid)"),
    "pg_class": ("r", "t.relowner"),
    "pg_database": ("d", "t.datdba"),
    "pg_foreign_data_wrapper": ("F", "t.fdwowner"),
    "pg_foreign_server": ("S", "t.srvowner"),
    "pg_language": ("l", "t.lanowner"),
    "pg_largeobject_metadata": ("L", "t.lomowner"),
    "pg_namespace": ("n", "t.nspowner"),
    "pg_parameter_acl": ("p", "10"),
    "pg_proc": ("f", "t.proowner"),
    "pg_tablespace": ("t", "t.spcowner"),
    "pg_type": ("T", "t.typowner"),
}
"""For `acldefault`: the kind of object and its owner. A NULL grants what `acldefault` returns."""
