"""Two tenants of one tier, each with a patient whom members have seen."""

from dataclasses import dataclass
from typing import Any

from members import AsMember, MakePatient, MakeTenant, Member

from trially.auth.roles import Role
from trially.tenancy.catalog_choices import Tier


@dataclass
class Clinic:
    """A tenant, its members, and a patient whom a viewer saw in a list and alone."""

    owner: Member
    viewer: Member
    auditor: Member
    patient: dict[str, Any]

    @property
    def report(self) -> str:
        return f"/patients/{self.patient['id']}/disclosures"


def make_clinic(
    make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient, tier: Tier
) -> Clinic:
    tenant = make_tenant(tier)
    owner = as_member(tenant, Role.OWNER, display_name="Olga Owner")
    viewer = as_member(tenant, Role.VIEWER, display_name="=Vic Viewer")
    clinic = Clinic(owner, viewer, as_member(tenant, Role.AUDITOR), make_patient(owner))
    owner.patch(f"/patients/{clinic.patient['id']}", json={"phone": "SECRET-phone"})
    viewer.get("/patients")
    viewer.get(f"/patients/{clinic.patient['id']}")
    return clinic
