"""The values that fields of patients may have, and why their records are not used."""

from enum import StrEnum


class Sex(StrEnum):
    """FHIR's administrative gender."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class ContactPreference(StrEnum):
    """Whether and how a patient may be contacted."""

    OK = "ok"
    NO_SMS = "no_sms"
    NO_CONTACT = "no_contact"


class BirthDatePrecision(StrEnum):
    """The part of a birth date that is known. The rest of the date is January, or the first."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"


class RecordStatus(StrEnum):
    """Whether a record stands for a person who can be recruited."""

    CURRENT = "current"
    INACTIVE = "inactive"
    """The source no longer uses the record."""
    REPLACED = "replaced"
    """Another record of the same person is used in its place."""
    WITHDRAWN = "withdrawn"
    """The source has deleted the record."""


class ListedStatus(StrEnum):
    """What a list may be asked for: records of one status, or all."""

    CURRENT = RecordStatus.CURRENT.value
    INACTIVE = RecordStatus.INACTIVE.value
    REPLACED = RecordStatus.REPLACED.value
    WITHDRAWN = RecordStatus.WITHDRAWN.value
    ALL = "all"


class WithdrawalReason(StrEnum):
    """Why a record is withdrawn: it is stored, and not used."""

    DELETED = "deleted"
    """The source deleted it."""
    INVALID = "invalid"
    """A newer version of it could not be imported."""
    NO_TEXT = "no_text"
    """A newer version of the report has no text, so it is no document."""
    NOT_PERFORMED = "not_performed"
    """A newer version says that it must not be performed."""
    MISSING_FROM_EXPORT = "missing_from_export"
    """A complete export of its source lacks it."""


class DeathPrecision(StrEnum):
    """The part of a date of death that its source knows."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    INSTANT = "instant"


class PatientDateProblem(StrEnum):
    """Why a date of birth or death cannot be right. The date is in `impossible_dates` only."""

    BIRTH_IN_FUTURE = "birth_in_future"
    BIRTH_TOO_EARLY = "birth_too_early"
    DEATH_IN_FUTURE = "death_in_future"
    DEATH_TOO_EARLY = "death_too_early"
    DEATH_BEFORE_BIRTH = "death_before_birth"
