"""A tenant with data, as attacker or victim."""

from dataclasses import dataclass, field

from members import Member

from trially.tenancy.catalog import Tenant


@dataclass
class PopulatedTenant:
    """A tenant with two of each resource; `ids` has one id by the name of each route argument."""

    member: Member
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def tenant(self) -> Tenant:
        tenant: Tenant = self.member.tenant
        return tenant
