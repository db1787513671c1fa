"""All kinds of leaves: what one criterion asks of a patient."""

from trially.recruiting.criteria.language.person_leaves import (
    Age,
    Deceased,
    Distance,
    Enrollment,
    Leaf,
    Manual,
    Sex,
    Unsupported,
)
from trially.recruiting.criteria.language.record_leaves import (
    Allergy,
    Condition,
    Encounter,
    Immunization,
    Medication,
    Observation,
    Pregnancy,
    Procedure,
)

LEAVES: tuple[type[Leaf], ...] = (
    *(Age, Sex, Deceased, Condition, Medication, Observation, Procedure, Allergy),
    *(Immunization, Encounter, Pregnancy, Enrollment, Distance, Manual, Unsupported),
)
