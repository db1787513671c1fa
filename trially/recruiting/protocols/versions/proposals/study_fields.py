"""What the fields of a study propose: its ages and its sex, as a registry has them."""

from collections.abc import Iterator

from trially.database.rows import Item
from trially.recruiting.drafting.registry_fields import FieldProposal, propose_from_fields
from trially.recruiting.protocols.versions.proposals.model import StudyField

_UNITS = {
    "Y": "Years",
    "M": "Months",
    "W": "Weeks",
    "D": "Days",
    "TH": "Hours",
    "TM": "Minutes",
}
_FIELDS = {
    "minimumAge": StudyField.MINIMUM_AGE,
    "maximumAge": StudyField.MAXIMUM_AGE,
    "sex": StudyField.SEX,
}
"""The fields of a study by the members of the registry's `eligibilityModule`."""


def propose_from_study(study: Item) -> Iterator[tuple[StudyField, str, FieldProposal]]:
    """Yield what each field proposes, with the statement that it is: `Minimum age: 18 years`."""
    eligibility = {
        member: study[field].upper() if field is StudyField.SEX else _age(study[field])
        for member, field in _FIELDS.items()
        if study[field] is not None
    }
    for proposal in propose_from_fields(eligibility):
        field = _FIELDS[proposal.field]
        words = field.replace("_", " ").capitalize()
        yield field, f"{words}: {proposal.value.lower()}", proposal


def _age(duration: str) -> str:
    """Return a duration of one unit as the registry writes it: `P18Y` is `18 Years`."""
    time = "T" if duration[1] == "T" else ""
    number, unit = duration[1 + len(time) : -1], duration[-1]
    return f"{number} {_UNITS[time + unit]}"
