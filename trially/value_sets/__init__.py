"""Value sets: the values of free text that members with the PHI level `limited` may see.

Sources may write anything into a code, a unit or the name of a state, such as a patient's name.
Values outside of a value set are masked. A set may lack values, but none of its values identifies
a patient.
"""

from collections.abc import Callable, Mapping

from trially.value_sets.codes import is_system
from trially.value_sets.people import (
    is_country,
    is_ethnicity,
    is_gender_identity,
    is_language,
    is_race,
    is_state,
)
from trially.value_sets.statuses import (
    CATEGORIES,
    CLINICAL_STATUSES,
    CRITICALITIES,
    INTENTS,
    INTERPRETATIONS,
    STATUSES,
    VERIFICATION_STATUSES,
)
from trially.value_sets.units import is_unit

VALUE_SETS: Mapping[str, Callable[[str], bool]] = {
    "category": CATEGORIES.__contains__,
    "clinical status": CLINICAL_STATUSES.__contains__,
    "code system": is_system,
    "country": is_country,
    "criticality": CRITICALITIES.__contains__,
    "ethnicity": is_ethnicity,
    "intent": INTENTS.__contains__,
    "interpretation": INTERPRETATIONS.__contains__,
    "gender identity": is_gender_identity,
    "language": is_language,
    "race": is_race,
    "state": is_state,
    "status": STATUSES.__contains__,
    "status of an event": (STATUSES | CLINICAL_STATUSES).__contains__,
    "unit": is_unit,
    "verification status": VERIFICATION_STATUSES.__contains__,
}
"""By name: whether a text is a value of the set."""
