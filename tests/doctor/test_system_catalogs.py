"""Every system catalog of PostgreSQL is compared, or is ignored for a reason."""

import pytest

from trially.doctor.comparing.row_rules import ACL_KINDS, LEFT_OUT, WRITTEN
from trially.doctor.comparing.row_texts import row_texts
from trially.doctor.comparing.server_rows import _OBJECTS
from trially.doctor.comparing.statements import (
    _NAMING,
    counts_sql,
    digests_sql,
    rows_sql,
)
from trially.doctor.comparing.system_catalogs import IGNORED, read_system_catalogs
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

COMPARED = {
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_auth_members",
    "pg_authid",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_database",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_largeobject_metadata",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_parameter_acl",
    "pg_partitioned_table",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_range",
    "pg_replication_origin",
    "pg_rewrite",
    "pg_seclabel",
    "pg_sequence",
    "pg_shseclabel",
    "pg_statistic_ext",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_tablespace",
    "pg_transform",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
    "pg_user_mapping",
}
"""The catalogs of PostgreSQL 15 to 18. A newer one is compared as well, and fails this test.

Look then how its rows are written: are its references in `pg_get_catalog_foreign_keys()`, has it
stored expressions (`WRITTEN`), grants (`ACL_KINDS`), or columns that change by themselves?
"""


@pytest.fixture
def raw(app):
    with app.app_context(), server_access().administer() as raw:
        yield raw


@pytest.fixture
def catalogs(raw):
    return read_system_catalogs(raw)


def test_every_catalog_is_compared_or_ignored_for_a_reason(raw, catalogs):
    existing = {
        name
        for (name,) in execute(
            raw,
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'p')",
        )
    }

    assert existing == catalogs.keys() | IGNORED.keys()
    assert not catalogs.keys() & IGNORED.keys()
    assert catalogs.keys() <= COMPARED
    assert all(len(reason) > 20 for reason in IGNORED.values())


def test_every_catalog_is_in_the_statements(catalogs):
    texts = row_texts(catalogs)
    statements = (counts_sql(texts), digests_sql(texts), rows_sql(texts))
    of_databases = {name for name, catalog in catalogs.items() if not catalog.is_shared}
    shared = catalogs.keys() - of_databases

    for name in of_databases:
        assert all(f"'{name}" in statement for statement in statements), name
    assert shared == _OBJECTS.keys()


def test_every_column_is_written(catalogs):
    for name, text in row_texts(catalogs).items():
        columns = set(catalogs[name].columns)
        acl = {column for column, kind in catalogs[name].columns.items() if kind == "aclitem[]"}
        unwritten = columns - text.fields.keys() - LEFT_OUT.get(name, set()) - {"oid"}
        assert unwritten == (acl if name in ACL_KINDS else set()), name


def test_every_stored_expression_is_written_as_sql(catalogs):
    """The text of a pg_node_tree contains OIDs, so it would differ in equal databases."""
    for name, catalog in catalogs.items():
        for column, kind in catalog.columns.items():
            if kind == "pg_node_tree":
                is_replaced = column in WRITTEN.get(name, {}) or (
                    column in LEFT_OUT[name]
                    and {"definition", "relpartbound"} & WRITTEN[name].keys()
                )
                assert is_replaced, (name, column)


def test_every_grant_is_compared(catalogs):
    with_grants = {
        name for name, catalog in catalogs.items() if "aclitem[]" in catalog.columns.values()
    }

    # Default privileges and initial ones belong to no object of their own.
    assert with_grants - {"pg_default_acl", "pg_init_privs"} == ACL_KINDS.keys() == _NAMING.keys()


def test_no_reference_stays_a_number(catalogs):
    """A column of type oid would differ in equal databases, unless it is written as a name."""
    plain = {
        (name, column)
        for name, text in row_texts(catalogs).items()
        for column, kind in catalogs[name].columns.items()
        if kind in ("oid", "oid[]", "oidvector") and text.fields.get(column) == f"t.{column}"
    }

    # Rows of these exist for security labels, for objects of extensions, and for a statement
    # that changes only the origin of a subscription: a reference has none.
    assert plain <= {
        ("pg_init_privs", "objoid"),
        ("pg_replication_origin", "roident"),
        ("pg_seclabel", "objoid"),
        ("pg_shseclabel", "objoid"),
    }
