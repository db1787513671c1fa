"""A tenant is counted in its own transaction, and only rounded numbers leave it."""

import datetime as dt

import pytest
from encrypted_tenants import encrypt
from flask import Flask
from members import MakeFact, MakeTenant
from shared_patients import AddPatients, MakeNetwork
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.organisations.model import About, SharedCount


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_only_rounded_numbers_of_each_tenant_leave_it(
    app: Flask,
    make_tenant: MakeTenant,
    tier: Tier,
    add_patients: AddPatients,
    make_fact: MakeFact,
    make_network: MakeNetwork,
    *,
    is_encrypted: bool,
) -> None:
    one, other = make_tenant(tier), make_tenant(tier)
    if is_encrypted:
        one, other = encrypt(app, one), encrypt(app, other)
    young = dt.date(dt.datetime.now(dt.UTC).year - 20, 1, 1)
    with_records = add_patients(one, 23, sex="female")[:12]
    add_patients(one, 10, sex="male", birth_date=young)
    add_patients(one, 3, sex=None, birth_date=None)
    add_patients(one, 40, active=False)
    add_patients(one, 40, deceased=True)
    add_patients(other, 11, sex="male")
    for patient_id in with_records:
        make_fact(one, patient_id)
        make_fact(one, patient_id)
    of_one, of_other = make_network(one), make_network(other)

    sums = of_one.sums()
    assert sums["patients", None, None] == (33, 43)
    assert sums["patients_by_sex", None, "female"] == (22, 32)
    assert sums["patients_by_sex", None, "male"] == (0, 10)
    assert sums["patients_by_age", None, "65_79"] == (22, 32)
    assert sums["patients_by_age", None, "18_34"] == (0, 10)
    assert sums["patients_with_records", None, None] == (11, 21)
    assert sums["newest_import", None, "never"] == (1, 1)
    assert of_other.sums()["patients", None, None] == (11, 21)
    assert make_network(one, other).sums()["patients", None, None] == (44, 64)
    with app.app_context(), control_engine().connect() as catalog:
        stored = catalog.scalars(
            text("SELECT quantity FROM shared_count WHERE tenant_id = :id AND about = 'patients'"),
            {"id": one.id},
        ).all()
    assert {each % 11 for each in stored} == {0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": "smith"},
        {"value": "123456"},
        {"study": "GLY-302"},
        {"measure": "patients_named_smith"},
        {"quantity": 12},
        {"quantity": 7, "step": 1},
        {"quantity": -11},
        {"about": "persons"},
    ],
)
def test_the_catalog_refuses_small_numbers_and_other_texts(
    app: Flask, tenant: Tenant, wrong: dict[str, object]
) -> None:
    right = {
        "tenant_id": tenant.id,
        "about": About.PATIENTS,
        "counted_at": dt.datetime.now(dt.UTC),
        "measure": "patients_by_sex",
        "value": "female",
        "quantity": 11,
        "step": 11,
    }
    with app.app_context(), pytest.raises(IntegrityError), catalog_transaction() as session:
        session.execute(insert(SharedCount).values(right | wrong))
