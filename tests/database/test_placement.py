from uuid import UUID

import pytest
from sqlalchemy import make_url

from trially.database.placement import (
    NoTenantError,
    Placement,
    WrongTenantError,
    current_placement,
    enter_placement,
)

URL = make_url("postgresql+psycopg2://role:secret-word@db/t_1")


def make_placement(number=1, schema="tenant", epoch=1):
    return Placement(UUID(int=number), f"default/t_{number}", schema, epoch, URL)


@pytest.mark.parametrize(
    "schema", ["", "Tenant", 'a"b', "a'b", "a b", "1a", "a;b", "a\n", "a" * 64]
)
def test_a_schema_that_needs_quoting_is_refused(schema):
    with pytest.raises(ValueError, match="schema"):
        make_placement(schema=schema)


def test_the_opening_is_local_to_the_transaction():
    opening = make_placement(epoch=7).opening

    assert opening.startswith("BEGIN;")
    assert opening.count(",true)") == 2
    assert f"trially.enter('{UUID(int=1)}',7)" in opening
    assert "secret-word" not in repr(make_placement())


def test_one_app_context_never_serves_two_tenants(app):
    with app.app_context():
        enter_placement(make_placement(1))
        enter_placement(make_placement(1, epoch=2))

        with pytest.raises(WrongTenantError):
            enter_placement(make_placement(2))

        assert current_placement().epoch == 2


def test_a_nested_context_has_a_placement_of_its_own(app):
    with app.app_context():
        enter_placement(make_placement(1))
        with app.app_context():
            with pytest.raises(NoTenantError):
                current_placement()
            enter_placement(make_placement(2))
            assert current_placement().tenant_id == UUID(int=2)
        assert current_placement().tenant_id == UUID(int=1)


def test_outside_an_app_context_no_placement_is_current():
    with pytest.raises(NoTenantError):
        current_placement()
