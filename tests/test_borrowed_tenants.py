"""A borrowed tenant is lent again, empty, unless a test has changed more than its rows."""

import pytest
from borrowed_tenants import Lender
from flask import Flask
from members import MakePatient, MakeTenant
from tenant_databases import ask_in

from tests.conftest import AsMember
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.status import suspend_tenant

ROWS = "SELECT 1 FROM {schema}.patient UNION ALL SELECT 1 FROM {schema}.member"


@pytest.fixture
def own_lender(app: Flask, make_tenant: MakeTenant) -> Lender:
    return Lender(app, make_tenant)


def rows_of(app: Flask, tenant: Tenant) -> int:
    return len(ask_in(app, tenant, ROWS.format(schema=tenant.placement.schema)))


@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA])
def test_a_tenant_is_lent_again_without_its_rows(
    app: Flask, own_lender: Lender, tier: Tier, as_member: AsMember, make_patient: MakePatient
) -> None:
    tenant, known = own_lender.lend(tier)
    make_patient(as_member(tenant))
    assert rows_of(app, tenant) == 2

    own_lender.take_back(tier, tenant, known)

    assert own_lender.lend(tier) == (tenant, known)
    assert rows_of(app, tenant) == 0


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE tenant.site ADD COLUMN loose int",
        "ALTER TABLE tenant.site DROP COLUMN city",
        "ALTER TABLE tenant.site DROP CONSTRAINT ck_this_tenant",
        "ALTER TABLE tenant.site DISABLE TRIGGER grow_version",
        "DROP POLICY tenant_rows ON tenant.site",
        "GRANT SELECT ON tenant.site TO PUBLIC",
        "suspended",
    ],
)
def test_a_tenant_that_has_changed_is_not_lent_again(
    app: Flask, own_lender: Lender, change: str
) -> None:
    tenant, known = own_lender.lend(Tier.DEDICATED_DATABASE)
    if change == "suspended":
        with app.app_context():
            suspend_tenant(tenant.slug)
    else:
        ask_in(app, tenant, change)

    own_lender.take_back(Tier.DEDICATED_DATABASE, tenant, known)

    assert not own_lender.free[Tier.DEDICATED_DATABASE]
