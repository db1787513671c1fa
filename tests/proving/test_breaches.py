"""A hole that is made by hand is found and named; a failure that is no wall proves nothing."""

from functools import wraps

import pytest
from proofs import outcome

from trially.cache.ttl_cache import TTLCache
from trially.state import state_of
from trially.tenancy.schema.guard import GUARD_DDL

TENANT_ROWS = (
    "CREATE POLICY tenant_rows ON tenant.canary TO PUBLIC"
    " USING (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
    " WITH CHECK (tenant_id = nullif(current_setting('trially.tenant_id', true), '')::uuid)"
)
CARELESS_GUARD = (
    "CREATE OR REPLACE FUNCTION trially.enter(asked uuid, known_epoch bigint) RETURNS text"
    " LANGUAGE sql AS $$ SELECT 'entered' $$"
)

HOLES = {
    "CONNECT for everyone": (
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO PUBLIC",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM PUBLIC",
        None,
        ("dedicated-one", "login", "dedicated-two"),
    ),
    "CONNECT for another": (
        "GRANT CONNECT ON DATABASE {dedicated_one.database} TO {dedicated_two.role}",
        "REVOKE CONNECT ON DATABASE {dedicated_one.database} FROM {dedicated_two.role}",
        None,
        ("dedicated-one", "login", "dedicated-two"),
    ),
    "CONNECT for the catalog's reader": (
        "GRANT CONNECT ON DATABASE {pooled_one.database} TO {catalog}_reader",
        "REVOKE CONNECT ON DATABASE {pooled_one.database} FROM {catalog}_reader",
        None,
        ("pooled-one", "login as the catalog's reader", None),
    ),
    "a schema's neighbour reads": (
        (
            "GRANT USAGE ON SCHEMA {schema_one.schema} TO {schema_two.role};"
            "GRANT SELECT ON {schema_one.schema}.canary TO {schema_two.role}"
        ),
        (
            "REVOKE USAGE ON SCHEMA {schema_one.schema} FROM {schema_two.role};"
            "REVOKE SELECT ON {schema_one.schema}.canary FROM {schema_two.role}"
        ),
        "schema-one",
        ("schema-one", "read by qualified name", "schema-two"),
    ),
    "a schema's login role reads": (
        (
            "GRANT USAGE ON SCHEMA {schema_one.schema} TO {schema_one.database};"
            "GRANT SELECT ON {schema_one.schema}.canary TO {schema_one.database}"
        ),
        (
            "REVOKE USAGE ON SCHEMA {schema_one.schema} FROM {schema_one.database};"
            "REVOKE SELECT ON {schema_one.schema}.canary FROM {schema_one.database}"
        ),
        "schema-one",
        ("schema-one", "read as the login role", "schema-two"),
    ),
    "a role for another": (
        "GRANT {dedicated_one.role} TO {dedicated_two.role}",
        "REVOKE {dedicated_one.role} FROM {dedicated_two.role}",
        None,
        ("dedicated-one", "SET ROLE", "dedicated-two"),
    ),
    "no CHECK": (
        "ALTER TABLE tenant.canary DROP CONSTRAINT ck_this_tenant",
        (
            "ALTER TABLE tenant.canary ADD CONSTRAINT ck_this_tenant"
            " CHECK (tenant_id = '{dedicated_two.tenant_id}')"
        ),
        "dedicated-two",
        ("pooled-one", "insert", "dedicated-two"),
    ),
    "row security off": (
        "ALTER TABLE tenant.canary DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenant.canary ENABLE ROW LEVEL SECURITY",
        "pooled-one",
        ("pooled-one", "read without a condition", "pooled-two"),
    ),
    "a policy that lets all through": (
        "CREATE POLICY wide ON tenant.canary TO PUBLIC USING (true)",
        "DROP POLICY wide ON tenant.canary",
        "pooled-one",
        ("pooled-one", "delete", "pooled-two"),
    ),
    "TRUNCATE": (
        "GRANT TRUNCATE ON tenant.canary TO {pooled_one.role}",
        "REVOKE TRUNCATE ON tenant.canary FROM {pooled_one.role}",
        "pooled-one",
        ("pooled-one", "truncate", "pooled-two"),
    ),
    "a careless guard": (
        CARELESS_GUARD,
        GUARD_DDL.replace("{", "{{").replace("}", "}}"),
        "dedicated-one",
        ("dedicated-one", "enter with an old epoch", None),
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_a_hole_is_found_and_named(attempts_on, hole, name):
    made, mended, of, (tenant, path, attacker) = HOLES[name]
    hole(made, mended, of)

    result, attempts = attempts_on(tenant)

    assert result.exit_code == 1
    assert outcome(attempts, path, attacker) == "breached"
    as_whom = f" as {attacker}" if attacker else ""
    [sentence] = [
        line
        for line in result.stderr.splitlines()
        if line.startswith(f"{tenant}: {path}{as_whom}:")
    ]
    assert sentence.endswith((".", ";"))
    assert len(sentence.split(". ", 1)[1]) > 20


def test_a_missing_policy_hides_every_row_and_proves_nothing(attempts_on, hole):
    hole("DROP POLICY tenant_rows ON tenant.canary", TENANT_ROWS, "pooled-one")

    result, attempts = attempts_on("pooled-one")

    assert result.exit_code == 1
    assert {a["outcome"] for a in attempts} == {"inconclusive"}


def test_a_canary_that_its_own_tenant_cannot_read_proves_nothing(fleet, attempts_on, hole):
    hole(
        "ALTER POLICY tenant_rows ON tenant.canary USING (false)",
        TENANT_ROWS.replace("CREATE", "ALTER") + ";DELETE FROM tenant.canary",
        "pooled-one",
    )

    result, attempts = attempts_on("pooled-one")

    assert result.exit_code == 1
    assert outcome(attempts, "its own tenant reads the canary", None) == "inconclusive"


def test_a_view_that_shows_anyones_rows_is_found(fleet, attempts_on, monkeypatch):
    show_site = fleet.app.view_functions["sites.show_site"]

    @wraps(show_site)
    def careless(site_id):
        return {"id": str(site_id), "version": 1}

    monkeypatch.setitem(fleet.app.view_functions, "sites.show_site", careless)

    result, attempts = attempts_on("schema-one")

    assert result.exit_code == 1
    path = "API: GET /api/v1/sites/<uuid:site_id>"
    assert outcome(attempts, path, "dedicated-one") == "breached"


def test_a_cache_without_the_tenant_in_its_keys_is_found(fleet, attempts_on, monkeypatch):
    class Careless(TTLCache):
        def get(self, key):
            return super().get(key[2:])

        def put(self, key, value, **options):
            super().put(key[2:], value, **options)

    monkeypatch.setattr(state_of(fleet.app), "identities", Careless(100, 5))

    result, attempts = attempts_on("dedicated-one")

    assert result.exit_code == 1
    assert outcome(attempts, "cached members", "pooled-one") == "breached"
