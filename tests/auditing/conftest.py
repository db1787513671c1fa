import pytest
from members import AsMember, MakePatient, MakeTenant
from two_tenants import Clinic, make_clinic

from trially.tenancy.catalog_choices import Tier


@pytest.fixture(scope="module")
def clinic(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient, tier: Tier
) -> Clinic:
    return make_clinic(make_tenant, as_member, make_patient, tier)


@pytest.fixture(scope="module")
def neighbour(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient, tier: Tier
) -> Clinic:
    return make_clinic(make_tenant, as_member, make_patient, tier)
