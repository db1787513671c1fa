"""The three demo tenants: their people, sites and studies."""

from dataclasses import dataclass

from trially.demo.places import (
    CLOQUET,
    DAYTON,
    DULUTH,
    MADISON,
    PORTLAND,
    RALEIGH,
    SUPERIOR,
    TUCSON,
    Place,
)
from trially.demo.studies import LAKESIDE_STUDIES, NORTHSTAR_STUDIES, RIVERBEND_STUDIES, DemoStudy
from trially.tenancy.catalog_choices import TenantKind, Tier
from trially.tenancy.tiers.dedicated_database import DedicatedDatabase
from trially.tenancy.tiers.own_schema import OwnSchema
from trially.tenancy.tiers.pooled_rows import PooledRows


@dataclass(frozen=True)
class DemoPerson:
    """A member of a demo tenant."""

    subject: str
    """The `sub` of the person's tokens, the same in every run."""
    display_name: str
    email: str
    role: str


@dataclass(frozen=True)
class DemoSite:
    """A site where studies recruit."""

    name: str
    city: str
    state: str
    postal_code: str
    latitude: float
    longitude: float
    investigator: str


@dataclass(frozen=True)
class DemoOrganisation:
    """A demo tenant; its slug is also the seed of its patients."""

    slug: str
    name: str
    kind: TenantKind
    tier: Tier
    timezone: str
    region: str
    patients: int
    people: tuple[DemoPerson, ...]
    sites: tuple[DemoSite, ...]
    studies: tuple[DemoStudy, ...]


def person(slug: str, given: str, family: str, role: str) -> DemoPerson:
    """Return a person with this name and role."""
    return DemoPerson(
        subject=f"demo|{slug}|{given.lower()}",
        display_name=f"{given} {family}",
        email=f"{given}.{family}.{slug}@example.org".lower(),
        role=role,
    )


def site(name: str, place: Place, investigator: str) -> DemoSite:
    """Return a site in one of the places where patients live."""
    town = (place.city, place.state, place.postal_code, place.latitude, place.longitude)
    return DemoSite(name, *town, investigator)


DEMO_ORGANISATIONS = (
    DemoOrganisation(
        slug="riverbend-clinic",
        name="Riverbend Clinic (demo)",
        kind=TenantKind.SITE,
        tier=DedicatedDatabase.tier,
        timezone="America/New_York",
        region="Miami Valley, Ohio",
        patients=150,
        people=(
            person("riverbend-clinic", "Ada", "Testerly", "owner"),
            person("riverbend-clinic", "Bram", "Mockridge", "admin"),
            person("riverbend-clinic", "Cleo", "Sampleton", "coordinator"),
            person("riverbend-clinic", "Dov", "Demoford", "recruiter"),
            person("riverbend-clinic", "Esme", "Mockwell", "recruiter"),
            person("riverbend-clinic", "Finn", "Testwood", "viewer"),
            person("riverbend-clinic", "Greta", "Samplewick", "auditor"),
        ),
        sites=(site("Riverbend Clinic Dayton", DAYTON, "Dr. Hollis Demoworth"),),
        studies=RIVERBEND_STUDIES,
    ),
    DemoOrganisation(
        slug="northstar-cro",
        name="Northstar Research (demo)",
        kind=TenantKind.CRO,
        tier=PooledRows.tier,
        timezone="America/Chicago",
        region="United States",
        patients=200,
        people=(
            person("northstar-cro", "Ines", "Mockstrom", "owner"),
            person("northstar-cro", "Jonas", "Demodale", "admin"),
            person("northstar-cro", "Kaya", "Testbrook", "coordinator"),
            person("northstar-cro", "Lev", "Samplecroft", "coordinator"),
            person("northstar-cro", "Mira", "Testmoor", "recruiter"),
            person("northstar-cro", "Nils", "Mockgarth", "recruiter"),
            person("northstar-cro", "Oona", "Demolund", "viewer"),
            person("northstar-cro", "Pavel", "Sampleholm", "auditor"),
        ),
        sites=(
            site("Northstar Madison", MADISON, "Dr. Quill Testhurst"),
            site("Northstar Tucson", TUCSON, "Dr. Reyna Mockvale"),
            site("Northstar Raleigh", RALEIGH, "Dr. Soren Sampledale"),
            site("Northstar Portland", PORTLAND, "Dr. Thea Demomarsh"),
        ),
        studies=NORTHSTAR_STUDIES,
    ),
    DemoOrganisation(
        slug="lakeside-health",
        name="Lakeside Health (demo)",
        kind=TenantKind.HEALTH_SYSTEM,
        tier=OwnSchema.tier,
        timezone="America/Chicago",
        region="Western Lake Superior",
        patients=300,
        people=(
            person("lakeside-health", "Una", "Samplefield", "owner"),
            person("lakeside-health", "Viktor", "Testgate", "admin"),
            person("lakeside-health", "Willa", "Mockbury", "admin"),
            person("lakeside-health", "Xavi", "Demoridge", "coordinator"),
            person("lakeside-health", "Yara", "Testland", "recruiter"),
            person("lakeside-health", "Zeno", "Mockthorpe", "viewer"),
            person("lakeside-health", "Anouk", "Demostone", "auditor"),
        ),
        sites=(
            site("Lakeside Medical Center", DULUTH, "Dr. Bodil Sampleworth"),
            site("Lakeside Cloquet Clinic", CLOQUET, "Dr. Caspar Mockton"),
            site("Lakeside Superior Hospital", SUPERIOR, "Dr. Dalia Testmere"),
        ),
        studies=LAKESIDE_STUDIES,
    ),
)
"""One tenant of each kind."""
