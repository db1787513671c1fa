"""The studies of the demo tenants. All are fictitious."""

from dataclasses import dataclass

from trially.demo.eligibility import (
    AIRWAYS,
    HEART_RHYTHM,
    HYPERTENSION,
    LUNG_CANCER,
    RHEUMATOID_ARTHRITIS,
    TYPE_2_DIABETES,
    Criteria,
)


@dataclass(frozen=True)
class DemoStudySite:
    """A study's recruiting at one site of the tenant."""

    site: str
    """The site's name."""
    status: str
    """`planned`, `open`, `paused` or `closed`."""
    target_enrollment: int


@dataclass(frozen=True)
class DemoStudy:
    """A fictitious study."""

    protocol_number: str
    title: str
    sponsor: str
    phases: tuple[str, ...]
    """In the spelling of ClinicalTrials.gov; empty for a study without one."""
    study_type: str
    conditions: tuple[str, ...]
    target_enrollment: int
    overall_status: str
    """The sponsor's status, in the spelling of ClinicalTrials.gov."""
    recruiting_status: str
    """The tenant's status: `planned`, `open`, `paused` or `closed`."""
    sites: tuple[DemoStudySite, ...]
    criteria: Criteria = ()
    """Those of the active version of the protocol; empty for a study without a version."""
    nct_id: str | None = None
    """Always None: a fictitious number could later be assigned to a real study."""


RIVERBEND_STUDIES = (
    DemoStudy(
        protocol_number="DEMO-GLU-301",
        title="Oral Fictiglutide Added to Metformin in Adults With Type 2 Diabetes",
        sponsor="Placebo Pharmaceuticals (fictitious)",
        phases=("PHASE3",),
        study_type="INTERVENTIONAL",
        conditions=("Type 2 Diabetes",),
        target_enrollment=40,
        overall_status="RECRUITING",
        recruiting_status="open",
        sites=(DemoStudySite("Riverbend Clinic Dayton", "open", 40),),
        criteria=TYPE_2_DIABETES,
    ),
    DemoStudy(
        protocol_number="DEMO-BP-202",
        title="Evening Dosing of Mockapril in Uncontrolled Hypertension",
        sponsor="Specimen Therapeutics (fictitious)",
        phases=("PHASE2",),
        study_type="INTERVENTIONAL",
        conditions=("Hypertension",),
        target_enrollment=24,
        overall_status="RECRUITING",
        recruiting_status="open",
        sites=(DemoStudySite("Riverbend Clinic Dayton", "open", 24),),
        criteria=HYPERTENSION,
    ),
)

NORTHSTAR_STUDIES = (
    DemoStudy(
        protocol_number="DEMO-LUN-112",
        title="Testolumab in Previously Treated Non-Small Cell Lung Cancer",
        sponsor="Placebo Pharmaceuticals (fictitious)",
        phases=("PHASE1", "PHASE2"),
        study_type="INTERVENTIONAL",
        conditions=("Non-Small Cell Lung Cancer",),
        target_enrollment=60,
        overall_status="RECRUITING",
        recruiting_status="open",
        sites=(
            DemoStudySite("Northstar Madison", "open", 20),
            DemoStudySite("Northstar Tucson", "open", 15),
            DemoStudySite("Northstar Raleigh", "open", 15),
            DemoStudySite("Northstar Portland", "planned", 10),
        ),
        criteria=LUNG_CANCER,
    ),
    DemoStudy(
        protocol_number="DEMO-JNT-305",
        title="Samplinib Added to Methotrexate in Rheumatoid Arthritis",
        sponsor="Example Biologics (fictitious)",
        phases=("PHASE3",),
        study_type="INTERVENTIONAL",
        conditions=("Rheumatoid Arthritis",),
        target_enrollment=80,
        overall_status="RECRUITING",
        recruiting_status="open",
        sites=(
            DemoStudySite("Northstar Tucson", "open", 30),
            DemoStudySite("Northstar Raleigh", "paused", 25),
            DemoStudySite("Northstar Portland", "open", 25),
        ),
        criteria=RHEUMATOID_ARTHRITIS,
    ),
    DemoStudy(
        protocol_number="DEMO-SKN-208",
        title="Topical Demoquinod in Plaque Psoriasis and Ulcerative Colitis",
        sponsor="Example Biologics (fictitious)",
        phases=("PHASE2",),
        study_type="INTERVENTIONAL",
        conditions=("Psoriasis", "Ulcerative Colitis"),
        target_enrollment=36,
        overall_status="ACTIVE_NOT_RECRUITING",
        recruiting_status="paused",
        sites=(
            DemoStudySite("Northstar Madison", "paused", 18),
            DemoStudySite("Northstar Portland", "paused", 18),
        ),
    ),
    DemoStudy(
        protocol_number="DEMO-BRE-310",
        title="Adjuvant Fictistrozole After Surgery for Breast Cancer",
        sponsor="Specimen Therapeutics (fictitious)",
        phases=("PHASE3",),
        study_type="INTERVENTIONAL",
        conditions=("Breast Cancer",),
        target_enrollment=50,
        overall_status="COMPLETED",
        recruiting_status="closed",
        sites=(
            DemoStudySite("Northstar Madison", "closed", 25),
            DemoStudySite("Northstar Raleigh", "closed", 25),
        ),
    ),
)

LAKESIDE_STUDIES = (
    DemoStudy(
        protocol_number="DEMO-HRT-401",
        title="Home Monitoring After a Heart Failure Visit",
        sponsor="Lakeside Health (demo)",
        phases=(),
        study_type="INTERVENTIONAL",
        conditions=("Heart Failure", "Atrial Fibrillation"),
        target_enrollment=30,
        overall_status="RECRUITING",
        recruiting_status="open",
        sites=(
            DemoStudySite("Lakeside Medical Center", "open", 20),
            DemoStudySite("Lakeside Superior Hospital", "open", 10),
        ),
        criteria=HEART_RHYTHM,
    ),
    DemoStudy(
        protocol_number="DEMO-AIR-215",
        title="Inhaled Mockoterol in Asthma and Chronic Obstructive Pulmonary Disease",
        sponsor="Placebo Pharmaceuticals (fictitious)",
        phases=("PHASE2", "PHASE3"),
        study_type="INTERVENTIONAL",
        conditions=("Asthma", "COPD"),
        target_enrollment=45,
        overall_status="RECRUITING",
        recruiting_status="open",
        sites=(
            DemoStudySite("Lakeside Medical Center", "open", 25),
            DemoStudySite("Lakeside Cloquet Clinic", "planned", 20),
        ),
        criteria=AIRWAYS,
    ),
    DemoStudy(
        protocol_number="DEMO-OBS-007",
        title="Registry of Mood and Migraine in Primary Care",
        sponsor="Lakeside Health (demo)",
        phases=(),
        study_type="OBSERVATIONAL",
        conditions=("Depression", "Migraine"),
        target_enrollment=120,
        overall_status="ENROLLING_BY_INVITATION",
        recruiting_status="open",
        sites=(
            DemoStudySite("Lakeside Medical Center", "open", 60),
            DemoStudySite("Lakeside Cloquet Clinic", "open", 30),
            DemoStudySite("Lakeside Superior Hospital", "open", 30),
        ),
    ),
)
