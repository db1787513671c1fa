"""A hole in any single table is found, whichever table and whichever kind of hole it is."""

import math
import re

import pytest
from sweep_helpers import sweep_of

from trially.api import find_blueprints
from trially.database.model import TenantModel
from trially.proving.attempts import Outcome
from trially.proving.sweeps import results
from trially.tenancy.schema.append_only import APPEND_ONLY

list(find_blueprints())  # It imports every model.
TABLES = [table.name for table in TenantModel.metadata.sorted_tables]
APPEND_ONLY_TABLES = {
    table.name
    for table in TenantModel.metadata.sorted_tables
    if APPEND_ONLY.items() <= table.info.items()
}
PARTITIONS = 4
"""Of the audit log: one for each of three years, and one for the rest."""
TENANT_ID = "nullif(current_setting('trially.tenant_id', true), '')::uuid"
IS_CURRENT = f"tenant_id = {TENANT_ID}"
POLICY = (
    "CREATE POLICY tenant_rows ON tenant.{table} TO PUBLIC"
    f" USING ({IS_CURRENT}) WITH CHECK ({IS_CURRENT})"
)
ONE_READS_TWO = (
    f"{TENANT_ID} = '{{{{pooled_one.tenant_id}}}}' AND tenant_id = '{{{{pooled_two.tenant_id}}}}'"
)


@pytest.fixture
def every_attempt(monkeypatch):
    """Report each attempt that failed, not only the first ones of a tenant."""
    monkeypatch.setattr(results, "MOST_ATTEMPTS_PER_TENANT", math.inf)


def in_each_table(statement):
    """Return a statement for each table, to be run together."""
    return "".join(f"{statement.format(table=table)};" for table in TABLES)


def tables_in(attempts, prefix):
    """Return the tables that the walls of some attempts name."""
    walls = [attempt.wall for attempt in attempts]
    return {
        table
        for table in TABLES
        if any(re.search(rf"{re.escape(prefix)}{table}\b", wall) for wall in walls)
    }


POOLED_HOLES = {
    "row security off": (
        "ALTER TABLE tenant.{table} DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.{table} ENABLE ROW LEVEL SECURITY",
        "broken",
    ),
    "row security not forced": (
        "ALTER TABLE tenant.{table} NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.{table} FORCE ROW LEVEL SECURITY",
        "broken",
    ),
    "a policy that lets all through": (
        "CREATE POLICY wide ON tenant.{table} USING (true)",
        "DROP POLICY wide ON tenant.{table}",
        "broken",
    ),
    "a policy that lets all be read": (
        "CREATE POLICY wide ON tenant.{table} FOR SELECT USING (true)",
        "DROP POLICY wide ON tenant.{table}",
        "broken",
    ),
    "a policy that lets all be inserted": (
        "CREATE POLICY wide ON tenant.{table} FOR INSERT WITH CHECK (true)",
        "DROP POLICY wide ON tenant.{table}",
        "broken",
    ),
    "a policy that lets all be deleted": (
        "CREATE POLICY wide ON tenant.{table} FOR DELETE USING (true)",
        "DROP POLICY wide ON tenant.{table}",
        "broken",
    ),
    "no policy": ("DROP POLICY tenant_rows ON tenant.{table}", POLICY, "not proven"),
    "TRUNCATE": (
        "GRANT TRUNCATE ON tenant.{table} TO {{pooled_one.role}}",
        "REVOKE TRUNCATE ON tenant.{table} FROM {{pooled_one.role}}",
        "broken",
    ),
}


@pytest.mark.parametrize(
    ("name", "table"),
    list(zip(POOLED_HOLES, TABLES[:: len(TABLES) // len(POOLED_HOLES)], strict=False)),
)
def test_a_hole_in_one_shared_table_is_found(fleet, hole, name, table):
    made, mended, state = POOLED_HOLES[name]
    hole(made.format(table=table), mended.format(table=table), "pooled-one")

    _, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states == {"pooled-one": state, "pooled-two": state}
    assert tables_in(attempts, "tenant.") >= {table}


@pytest.mark.parametrize("name", POOLED_HOLES)
def test_a_hole_in_any_shared_table_is_found(fleet, hole, every_attempt, name):
    made, mended, state = POOLED_HOLES[name]
    hole(in_each_table(made), in_each_table(mended), "pooled-one")

    _, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states == {"pooled-one": state, "pooled-two": state}
    assert tables_in(attempts, "tenant.") == set(TABLES)


@pytest.mark.parametrize("command", ["ALL", "SELECT", "INSERT"])
def test_a_hole_between_one_pair_is_found(fleet, hole, every_attempt, command):
    condition = "WITH CHECK" if command == "INSERT" else "USING"
    hole(
        in_each_table(
            f"CREATE POLICY pair ON tenant.{{table}} FOR {command} {condition} ({ONE_READS_TWO})"
        ),
        in_each_table("DROP POLICY pair ON tenant.{table}"),
        "pooled-one",
    )

    _, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states == {"pooled-one": "held", "pooled-two": "broken"}
    assert {attempt.attacker for attempt in attempts} == {"pooled-one"}
    assert tables_in(attempts, "tenant.") == set(TABLES)


@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"])
def test_a_grant_on_a_table_of_another_tenant_is_found(fleet, hole, every_attempt, privilege):
    schema, role = "{{schema_one.schema}}", "{{schema_two.role}}"
    hole(
        in_each_table(f"GRANT {privilege} ON {schema}.{{table}} TO {role}")
        + f"GRANT USAGE ON SCHEMA {schema} TO {role}".format(),
        in_each_table(f"REVOKE {privilege} ON {schema}.{{table}} FROM {role}")
        + f"REVOKE USAGE ON SCHEMA {schema} FROM {role}".format(),
        "schema-one",
    )

    _, states, attempts = sweep_of(fleet, "schema-one", "schema-two")

    assert states == {"schema-one": "broken", "schema-two": "held"}
    theirs = [attempt for attempt in attempts if attempt.attacker == "schema-two"]
    assert {"sweep: reach another schema", "sweep: privileges of any role"} <= {
        attempt.path for attempt in theirs
    }
    assert tables_in(theirs, fleet.spell("{schema_one.schema}.")) == set(TABLES)


@pytest.mark.parametrize("slug", ["dedicated-one", "schema-one"])
def test_a_table_without_its_check_is_found(fleet, hole, every_attempt, slug):
    place = slug.replace("-", "_")
    table = f"ALTER TABLE {{{{{place}.schema}}}}.{{table}}"
    check = f"CHECK (tenant_id = '{{{{{place}.tenant_id}}}}')"
    hole(
        in_each_table(f"{table} DROP CONSTRAINT ck_this_tenant"),
        in_each_table(f"{table} ADD CONSTRAINT ck_this_tenant {check}"),
        slug,
    )

    _, _, attempts = sweep_of(fleet, slug)

    breached = [a for a in attempts if a.outcome is Outcome.BREACHED]
    assert {a.attacker for a in breached} == {slug}
    for path in ("sweep: insert", "sweep: insert with COPY"):
        schema = fleet.spell(f"{{{place}.schema}}.")
        assert tables_in((a for a in breached if a.path == path), schema) == set(TABLES)


COPY = """
CREATE FUNCTION tenant.copy_row() RETURNS trigger LANGUAGE plpgsql {security} AS $copy$
DECLARE mine text := current_setting('trially.tenant_id');
BEGIN
    IF TG_OP = '{when}' AND NEW.tenant_id = '{{{{pooled_one.tenant_id}}}}' THEN
        PERFORM set_config('trially.tenant_id', '{{{{pooled_two.tenant_id}}}}', true);
        INSERT INTO tenant.site (tenant_id, id, name)
            VALUES ('{{{{pooled_two.tenant_id}}}}', gen_random_uuid(), gen_random_uuid());
        PERFORM set_config('trially.tenant_id', mine, true);
    END IF;
    RETURN NEW;
END $copy$;
"""
COPIES = """
CREATE {kind} TRIGGER copies AFTER INSERT OR UPDATE ON tenant.{table} {deferred}
    FOR EACH ROW EXECUTE FUNCTION tenant.copy_row()
"""
VARIANTS = {
    "as the owner": {"security": "SECURITY DEFINER", "kind": "", "deferred": ""},
    "as the tenant": {"security": "", "kind": "", "deferred": ""},
    "at the end of the transaction": {
        "security": "",
        "kind": "CONSTRAINT",
        "deferred": "DEFERRABLE INITIALLY DEFERRED",
    },
}


@pytest.mark.parametrize("when", ["INSERT", "UPDATE"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_trigger_that_copies_to_another_tenant_is_found(
    fleet, hole, every_attempt, variant, when
):
    options = VARIANTS[variant]
    triggers = in_each_table(COPIES.format(table="{table}", **options))
    hole(
        f"SET ROLE {fleet.catalog}_owner; {COPY.format(when=when, **options).format()}"
        f"{triggers} RESET ROLE",
        "DROP FUNCTION tenant.copy_row() CASCADE",
        "pooled-one",
    )

    _, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states["pooled-two"] == "broken"
    breached = [a for a in attempts if a.outcome is Outcome.BREACHED]
    assert {a.tenant for a in breached} == {"pooled-two"}
    found = tables_in((a for a in breached if a.path == f"sweep: its own {when.lower()}"), "")
    # An append-only table is never updated.
    assert found == set(TABLES) - (APPEND_ONLY_TABLES if when == "UPDATE" else set())


def test_a_rule_that_copies_to_another_tenant_is_found(fleet, hole):
    hole(
        "CREATE RULE copies AS ON INSERT TO tenant.study DO ALSO"
        " INSERT INTO tenant.medication (tenant_id, id, source, source_id, content_hash)"
        " VALUES ('{pooled_two.tenant_id}', gen_random_uuid(), 'copied', 'copied', '')",
        "DROP RULE copies ON tenant.study",
        "pooled-one",
    )

    _, states, _ = sweep_of(fleet, "pooled-one", "pooled-two")

    # The policy refuses the copied row, and with it the insert: nothing can be shown of it.
    assert states == {"pooled-one": "not proven", "pooled-two": "not proven"}


def test_a_trigger_that_changes_the_session_is_found(fleet, hole):
    hole(
        "CREATE FUNCTION tenant.stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM set_config('trially.tenant_id', '{pooled_two.tenant_id}', true); RETURN NEW;"
        " END $$;"
        "CREATE TRIGGER stays AFTER INSERT ON tenant.study FOR EACH STATEMENT"
        " EXECUTE FUNCTION tenant.stay();",
        "DROP FUNCTION tenant.stay() CASCADE",
        "pooled-one",
    )

    _, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states["pooled-one"] == "broken"
    assert any("changed who the session acts as" in a.wall for a in attempts)


UNKNOWN = """
CREATE TABLE tenant.unknown (
    tenant_id {type} NOT NULL, id uuid NOT NULL, label varchar(5) NOT NULL,
    mood tenant.mood NOT NULL,
    amount numeric NOT NULL CHECK (amount >= 40), kind text NOT NULL CHECK (kind IN ('one', 'two')),
    at timestamptz NOT NULL, tags text[] NOT NULL, details jsonb NOT NULL, day date NOT NULL,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED, number int GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (tenant_id, id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant.unknown TO {{pooled_one.role}};
"""
PROTECTED = (
    "ALTER TABLE tenant.unknown ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    + POLICY.format(table="unknown")
)


@pytest.mark.parametrize(
    ("kind", "protection", "state"),
    [("uuid", "", "broken"), ("uuid", PROTECTED, "held"), ("text", "", "broken")],
)
def test_a_table_without_a_model_is_attacked(fleet, hole, kind, protection, state):
    hole(
        f"SET ROLE {fleet.catalog}_owner; CREATE TYPE tenant.mood AS ENUM ('calm', 'wild');"
        f"{UNKNOWN.format(type=kind)} {protection}; RESET ROLE",
        "DROP TABLE tenant.unknown; DROP TYPE tenant.mood",
        "pooled-one",
    )

    plan, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states == {"pooled-one": state, "pooled-two": state}, attempts
    assert all("tenant.unknown" in sweep.tables for _, sweep in plan.sweeps)


@pytest.mark.parametrize(
    ("relation", "state"),
    [
        ("CREATE VIEW tenant.shown AS SELECT * FROM tenant.patient", "broken"),
        (
            "CREATE VIEW tenant.shown WITH (security_invoker) AS SELECT * FROM tenant.patient",
            "held",
        ),
        ("CREATE TABLE tenant.shown (note text)", "broken"),
        ("CREATE TABLE aside.shown (tenant_id uuid, note text)", "broken"),
    ],
)
def test_what_is_no_tenant_table_is_read_too(fleet, hole, relation, state):
    name = relation.split()[2]
    kind = relation.split()[1]
    fill = {
        "tenant.shown": "INSERT INTO tenant.shown VALUES ('a note');" if kind == "TABLE" else "",
        "aside.shown": "INSERT INTO aside.shown VALUES ('{pooled_one.tenant_id}', 'a note'),"
        " ('{pooled_two.tenant_id}', 'a note');",
    }[name]
    hole(
        f"CREATE SCHEMA aside; GRANT USAGE ON SCHEMA aside TO {{pooled_one.role}};"
        f"{relation}; {fill} GRANT SELECT ON {name} TO {{pooled_one.role}}",
        f"DROP {kind} {name}; DROP SCHEMA aside",
        "pooled-one",
    )

    _, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states == {"pooled-one": state, "pooled-two": state}, attempts


@pytest.mark.parametrize(
    ("returned", "security", "state"),
    [
        ("SETOF tenant.site", "SECURITY DEFINER", "broken"),
        ("TABLE (tenant_id uuid, name varchar)", "SECURITY DEFINER", "broken"),
        ("SETOF tenant.site", "", "held"),
    ],
)
def test_a_function_that_returns_all_rows_is_called(fleet, hole, returned, security, state):
    columns = "tenant_id, name" if returned.startswith("TABLE") else "*"
    hole(
        f"CREATE FUNCTION tenant.sites() RETURNS {returned} LANGUAGE sql STABLE {security}"
        f" AS $$ SELECT {columns} FROM tenant.site $$",
        "DROP FUNCTION tenant.sites()",
        "pooled-one",
    )

    _, states, attempts = sweep_of(fleet, "pooled-one", "pooled-two")

    assert states == {"pooled-one": state, "pooled-two": state}, attempts


@pytest.mark.parametrize(("slug", "state"), [("pooled-one", "not proven"), ("schema-one", "held")])
def test_a_large_object_is_not_overlooked(fleet, hole, slug, state):
    role = f"{{{slug.replace('-', '_')}.role}}"
    hole(f"SET ROLE {role}; SELECT lo_create(4711); RESET ROLE", "SELECT lo_unlink(4711)", slug)

    _, states, _ = sweep_of(fleet, slug)

    assert states[slug] == state


def test_a_sweep_leaves_every_row_as_it_was(fleet):
    rows = "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM tenant.{} AS t"
    statement = " UNION ALL ".join(rows.format(table) for table in TABLES)
    before = fleet.administer(statement, of="pooled-one")

    sweep_of(fleet, "pooled-one", "pooled-two")

    assert fleet.administer(statement, of="pooled-one") == before


def test_every_pair_and_every_table_is_covered(fleet):
    plan, states, attempts = sweep_of(fleet)

    assert set(states.values()) == {"held"}
    assert attempts == []
    number = len(TABLES) + PARTITIONS
    covered = {sweep.database: (sweep.pairs, len(sweep.tables)) for _, sweep in plan.sweeps}
    assert covered == {
        fleet.database("dedicated-one"): (0, number),
        fleet.database("dedicated-two"): (0, number),
        fleet.database("schema-one"): (2, 2 * number),
        fleet.database("pooled-one"): (2, number),
    }
    for _, sweep in plan.sweeps:
        held = {path for path, _ in sweep.held}
        assert {"sweep: its own insert", "sweep: insert", "sweep: move a row to the tenant"} <= held
