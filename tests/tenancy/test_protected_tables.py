"""Tables without their policy or their trigger: found in a database, and in migration files."""

import pytest
from sqlalchemy import text
from tenant_databases import access_of

from trially.tenancy.schema.lineages import TENANT_LINEAGE
from trially.tenancy.schema.migration_files import UNREADABLE, check_migrations, read_upgrade
from trially.tenancy.schema.protection import (
    UnprotectedTableError,
    check_tables,
    create_policy_sql,
    create_trigger_sql,
)
from trially.tenancy.schema.templates import TENANT_SCHEMA, scratch_database
from trially.tenancy.servers.connections import driver_connection

POLICY = "".join(create_policy_sql("site"))
TRIGGER = "".join(create_trigger_sql("site"))
DROP_POLICY = "DROP POLICY tenant_rows ON site;"
DROP_TRIGGER = "DROP TRIGGER grow_version ON site;"
ANOTHER_POLICY = "The table tenant.site has a policy other than tenant_rows. Drop its policies."
NO_TRIGGER = "The table tenant.site has no trigger grow_version. Add this statement"

UNPROTECTED = [
    (DROP_POLICY, "The table tenant.site has no policy tenant_rows. Add this statement"),
    ("CREATE POLICY more ON site USING (true)", ANOTHER_POLICY),
    ("ALTER POLICY tenant_rows ON site USING (true)", ANOTHER_POLICY),
    ("ALTER POLICY tenant_rows ON site WITH CHECK (true)", ANOTHER_POLICY),
    ("ALTER POLICY tenant_rows ON site TO CURRENT_USER", ANOTHER_POLICY),
    ("ALTER POLICY tenant_rows ON site RENAME TO rows", ANOTHER_POLICY),
    (DROP_POLICY + POLICY.replace(" TO ", " AS RESTRICTIVE TO "), ANOTHER_POLICY),
    (
        DROP_POLICY + POLICY.replace(" TO ", " FOR SELECT TO ").partition(" WITH")[0],
        ANOTHER_POLICY,
    ),
    (DROP_TRIGGER, NO_TRIGGER),
    (DROP_TRIGGER + TRIGGER.replace("UPDATE", "INSERT"), NO_TRIGGER),
    (DROP_TRIGGER + TRIGGER.replace("UPDATE", "UPDATE OF name"), NO_TRIGGER),
    (DROP_TRIGGER + TRIGGER.replace("EXECUTE", "WHEN (false) EXECUTE"), NO_TRIGGER),
    ("ALTER TABLE site DISABLE TRIGGER grow_version", NO_TRIGGER),
    ("CREATE TABLE note (id uuid)", "The table tenant.note has no column tenant_id."),
    ("CREATE TABLE note (tenant_id uuid)", "The table tenant.note has no policy tenant_rows."),
    ("ALTER TABLE member_site ADD version bigint", "The table tenant.member_site has no trigger"),
]


@pytest.fixture(scope="module")
def scratch(app):
    """A connection to a clone of the template; a test rolls back what it changes."""
    with app.app_context(), scratch_database(access_of(app)) as connection:
        connection.execute(text(f"SET search_path = {TENANT_SCHEMA}"))
        connection.commit()
        yield connection


def test_the_template_is_protected(scratch):
    check_tables(driver_connection(scratch), TENANT_SCHEMA)


@pytest.mark.parametrize(("statements", "sentence"), UNPROTECTED)
def test_an_unprotected_table_is_named(scratch, statements, sentence):
    scratch.execute(text(statements.replace(":", r"\:")))

    with pytest.raises(UnprotectedTableError) as raised:
        check_tables(driver_connection(scratch), TENANT_SCHEMA)
    scratch.rollback()

    assert sentence in str(raised.value)


def test_the_sentence_contains_the_statement_that_helps(scratch):
    scratch.execute(text(DROP_POLICY + DROP_TRIGGER))

    with pytest.raises(UnprotectedTableError) as raised:
        check_tables(driver_connection(scratch), TENANT_SCHEMA)
    scratch.execute(text(f"{POLICY};{TRIGGER}".replace(":", r"\:")))
    check_tables(driver_connection(scratch), TENANT_SCHEMA)
    scratch.rollback()

    assert str(raised.value).splitlines() == [
        (
            "The table tenant.site has no policy tenant_rows. Add this statement to the migration"
            f" that creates the table: {POLICY}"
        ),
        (
            "The table tenant.site has no trigger grow_version. Add this statement to the migration"
            f" that creates the table: {TRIGGER}"
        ),
    ]


def test_the_files_of_the_migrations_are_read_whole():
    upgrades = [
        read_upgrade(path.read_text()) for path in (TENANT_LINEAGE / "versions").glob("*.py")
    ]

    tables = {table for upgrade in upgrades for table in upgrade.tables} - {UNREADABLE}
    versioned = {table for upgrade in upgrades for table in upgrade.versioned}
    assert {"patient", "member_site", "canary"} < tables
    assert {"patient", "site", "study", "import_job"} <= versioned
    # A migration that calls functions for other statements is read as far as its text goes.
    unread = {UNREADABLE}
    assert tables == {table for upgrade in upgrades for table in upgrade.with_policy} - unread
    assert versioned == {table for upgrade in upgrades for table in upgrade.with_trigger} - unread


CREATE_NOTE = 'op.create_table("note", sa.Column("tenant_id", sa.Uuid()))'
ADD_VERSION = 'op.add_column("site", sa.Column("version", sa.BigInteger()))'
NOTE_POLICY = "".join(create_policy_sql("note"))
EACH_POLICY = 'f"CREATE POLICY tenant_rows ON {name} TO PUBLIC"'


@pytest.fixture
def check_file(tmp_path):
    """Check a lineage of one migration, whose `upgrade()` has the lines given."""
    (tmp_path / "versions").mkdir()

    def check(*lines):
        body = "".join(f"    {line}\n" for line in lines)
        source = (
            f'NOTES = ("note", "remark")\n\ndef upgrade():\n{body}\ndef downgrade():\n'
            '    op.create_table("former")\n'
        )
        (tmp_path / "versions" / "0001_take_notes.py").write_text(source)
        check_migrations(tmp_path)

    return check


@pytest.mark.parametrize(
    "lines",
    [
        [CREATE_NOTE, f"op.execute({NOTE_POLICY!r})"],
        [CREATE_NOTE, f"op.execute({NOTE_POLICY[:20]!r} {NOTE_POLICY[20:]!r})"],
        ["for name in NOTES:", "    op.create_table(name)", f"    op.execute({EACH_POLICY})"],
        [CREATE_NOTE, 'op.execute(policy_of("note"))'],
        [CREATE_NOTE, 'op.execute(f"CREATE POLICY tenant_rows ON {name_of(1)} TO PUBLIC")'],
        [CREATE_NOTE, 'op.drop_table("note")'],
        [ADD_VERSION, f"op.execute({TRIGGER!r})"],
        ['op.add_column("site", sa.Column("note", sa.String()))'],
    ],
)
def test_files_that_protect_their_tables_are_accepted(check_file, lines):
    check_file(*lines)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            [CREATE_NOTE],
            (
                "0001_take_notes.py creates the table note without the policy tenant_rows. Add this"
                f" statement to its upgrade(): {NOTE_POLICY}"
            ),
        ),
        (
            [ADD_VERSION],
            (
                "0001_take_notes.py adds the column version to the table site without the trigger"
                f" grow_version. Add this statement to its upgrade(): {TRIGGER}"
            ),
        ),
        (
            [CREATE_NOTE.replace("tenant_id", "version"), f"op.execute({NOTE_POLICY!r})"],
            "0001_take_notes.py adds the column version to the table note without the trigger",
        ),
        (
            ["for name in NOTES:", "    op.create_table(name)", f"op.execute({NOTE_POLICY!r})"],
            "0001_take_notes.py creates the table remark without the policy tenant_rows.",
        ),
    ],
)
def test_files_that_do_not_are_named(check_file, lines, sentence):
    with pytest.raises(UnprotectedTableError) as raised:
        check_file(*lines)

    assert str(raised.value).startswith(sentence)
