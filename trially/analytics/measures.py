"""What tenants share: measures, and the closed lists of the values of their dimensions.

The parts of a breakdown of patients are never all shared. Patients of another or unknown sex,
without a known birth date, or whom a study rules out are in no part. So a total does not tell what
the parts that were rounded to 0 hold.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.patients.choices import Sex
from trially.recruiting.studies.model import Phase
from trially.tenancy.organisations.model import About


class Measure(StrEnum):
    """Something that is counted in a tenant."""

    PATIENTS = "patients"
    """Patients who can be recruited: their records are current, and no death is known."""
    PATIENTS_BY_SEX = "patients_by_sex"
    PATIENTS_BY_AGE = "patients_by_age"
    PATIENTS_WITH_RECORDS = "patients_with_records"
    """Those of whom at least one record or document is stored."""
    MATCHES = "matches"
    """Those whom the criteria of a study select. Only open studies with an NCT id are counted."""
    ACTIVE_STUDIES = "active_studies"
    """Studies for which the tenant recruits now."""
    ACTIVE_STUDIES_BY_PHASE = "active_studies_by_phase"
    NEWEST_IMPORT = "newest_import"
    """Tenants, by the age of their last import that was completed."""


class AgeBand(StrEnum):
    """Ages in full years."""

    UNDER_18 = "0_17"
    FROM_18 = "18_34"
    FROM_35 = "35_49"
    FROM_50 = "50_64"
    FROM_65 = "65_79"
    FROM_80 = "80_or_older"


class Freshness(StrEnum):
    """How long ago the last import was completed."""

    DAY = "within_1_day"
    WEEK = "within_7_days"
    MONTH = "within_30_days"
    OLDER = "older"
    NEVER = "never"


NO_PHASE = "none"
"""The value of studies that are in no phase."""

OF_WORK = frozenset(
    {Measure.ACTIVE_STUDIES, Measure.ACTIVE_STUDIES_BY_PHASE, Measure.NEWEST_IMPORT}
)
"""The measures that count no persons."""

VALUES: Mapping[Measure, Sequence[str]] = {
    Measure.PATIENTS: ("",),
    Measure.PATIENTS_BY_SEX: (Sex.FEMALE, Sex.MALE),
    Measure.PATIENTS_BY_AGE: tuple(AgeBand),
    Measure.PATIENTS_WITH_RECORDS: ("",),
    Measure.MATCHES: (Verdict.ELIGIBLE, Verdict.POTENTIAL),
    Measure.ACTIVE_STUDIES: ("",),
    Measure.ACTIVE_STUDIES_BY_PHASE: (*Phase, NO_PHASE),
    Measure.NEWEST_IMPORT: tuple(Freshness),
}
"""The values of each measure that are shared; an empty one where there is no dimension."""

_FIRST_AGES = (
    (80, AgeBand.FROM_80),
    (65, AgeBand.FROM_65),
    (50, AgeBand.FROM_50),
    (35, AgeBand.FROM_35),
    (18, AgeBand.FROM_18),
)


def about(measure: Measure) -> About:
    """Return what a measure counts."""
    return About.WORK if measure in OF_WORK else About.PATIENTS


def band_of(age: int) -> AgeBand:
    """Return the band of an age in years."""
    return next((band for first, band in _FIRST_AGES if age >= first), AgeBand.UNDER_18)
