"""Read a study as API version 2 of ClinicalTrials.gov sends it.

Only the NCT id is needed. Everything else may be missing, unknown or wrong: it is then left out,
with a warning, and the record that is kept has it still.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trially.database.model import length_of
from trially.recruiting.studies.model import (
    Phase,
    Study,
    StudySex,
    StudySource,
    StudyStatus,
    StudyType,
)
from trially.recruiting.studies.schema import LONGEST_INTERVENTION_TYPE, LONGEST_TERM, MOST_TERMS
from trially.recruiting.study_imports.ages import AgeError, to_duration
from trially.recruiting.study_imports.eligibility_texts import to_text
from trially.recruiting.study_imports.kept_records import keep
from trially.recruiting.study_imports.reading_values import (
    Path,
    ValueReader,
    is_deeper_than,
    shown,
)

LONGEST_ELIGIBILITY = 100_000
"""Characters. The registry allows 20,000."""

MOST_PATIENTS = 10_000_000
MOST_LEVELS = 64
"""Levels of objects and arrays. Records with results have 12."""

NCT_ID = re.compile(r"NCT[0-9]{8}", re.ASCII)

_PROTOCOL = "protocolSection"
_IDENTIFICATION = (_PROTOCOL, "identificationModule")
_STATUS = (_PROTOCOL, "statusModule")
_DESIGN = (_PROTOCOL, "designModule")
_CONDITIONS = (_PROTOCOL, "conditionsModule")
_ELIGIBILITY = (_PROTOCOL, "eligibilityModule")
_INTERVENTIONS = (_PROTOCOL, "armsInterventionsModule", "interventions")

_STATUSES = {str(each).upper(): str(each) for each in StudyStatus}
_TYPES = {str(each).upper(): str(each) for each in StudyType}
_SEXES = {str(each).upper(): str(each) for each in StudySex}
_PHASES = {each.upper().replace("PHASE_", "PHASE"): str(each) for each in Phase} | {"NA": ""}
"""`NA` says that phases do not apply."""


class NoStudyError(ValueError):
    """A JSON value is no study of the registry. The message is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryStudy:
    """A study as its registry describes it."""

    nct_id: str
    organisation_number: str | None
    """The sponsor's own number of the protocol. Numbers of two sponsors may be equal."""

    values: dict[str, Any]
    """Values of columns of `Study` that the registry decides."""

    eligibility: str | None
    record: dict[str, Any]
    """The registry's own JSON, as it is kept."""

    left_out: list[str]
    warnings: list[dict[str, str]]


def read_study(body: Any) -> RegistryStudy:
    """Return the study of a body of the registry's API. Raises `NoStudyError`."""
    if not isinstance(body, Mapping):
        raise NoStudyError("A study is an object, as API version 2 of ClinicalTrials.gov sends it.")
    if is_deeper_than(body, MOST_LEVELS):
        raise NoStudyError(f"The study is nested in more than {MOST_LEVELS} levels.")
    reader = ValueReader(body)
    nct_id = _nct_id(reader)
    record, left_out = keep(body)
    eligibility = reader.lines((*_ELIGIBILITY, "eligibilityCriteria"), LONGEST_ELIGIBILITY)
    values = _values(reader, nct_id)
    number = reader.text((*_IDENTIFICATION, "orgStudyIdInfo", "id"), LONGEST_TERM)
    fits = number is not None and len(number) <= length_of(Study.protocol_number)
    return RegistryStudy(
        nct_id=nct_id,
        organisation_number=number if fits else None,
        values=values,
        eligibility=None if eligibility is None else to_text(eligibility),
        record=record,
        left_out=left_out,
        warnings=reader.warnings,
    )


def _nct_id(reader: ValueReader) -> str:
    found = ValueReader(reader.body).value((*_IDENTIFICATION, "nctId"))
    if found is None:
        raise NoStudyError(
            "There is no NCT id in protocolSection.identificationModule.nctId. A study is an object"
            " as API version 2 of ClinicalTrials.gov sends it."
        )
    nct_id = found.strip().upper() if isinstance(found, str) else ""
    if not NCT_ID.fullmatch(nct_id):
        raise NoStudyError(f"{shown(found)} is no NCT id: NCT and eight digits.")
    return nct_id


def _values(reader: ValueReader, nct_id: str) -> dict[str, Any]:
    longest = length_of(Study.title)
    titles = (
        reader.text((*_IDENTIFICATION, name), longest)
        for name in ("briefTitle", "officialTitle", "acronym")
    )
    sponsor = (_PROTOCOL, "sponsorCollaboratorsModule", "leadSponsor", "name")
    return {
        "nct_id": nct_id,
        "title": next(filter(None, titles), nct_id),
        "sponsor": reader.text(sponsor, length_of(Study.sponsor)),
        "phases": list(dict.fromkeys(_phases(reader))),
        "study_type": _or_unknown(reader, (*_DESIGN, "studyType"), _TYPES, StudyType.UNKNOWN),
        "status": _or_unknown(reader, (*_STATUS, "overallStatus"), _STATUSES, StudyStatus.UNKNOWN),
        "conditions": reader.texts((*_CONDITIONS, "conditions"), LONGEST_TERM, MOST_TERMS),
        "keywords": reader.texts((*_CONDITIONS, "keywords"), LONGEST_TERM, MOST_TERMS),
        "interventions": list(_interventions(reader)),
        "target_enrollment": reader.number((*_DESIGN, "enrollmentInfo", "count"), MOST_PATIENTS),
        "sex": reader.choice((*_ELIGIBILITY, "sex"), _SEXES),
        "minimum_age": _age(reader, (*_ELIGIBILITY, "minimumAge")),
        "maximum_age": _age(reader, (*_ELIGIBILITY, "maximumAge")),
        "healthy_volunteers": reader.flag((*_ELIGIBILITY, "healthyVolunteers")),
        "source": str(StudySource.CTGOV),
    }


def _or_unknown(reader: ValueReader, path: Path, choices: Mapping[str, str], unknown: str) -> str:
    """Return what a value stands for, or `unknown` for a missing value and one that is not known.

    The column allows no null, and a guess could open a closed study.
    """
    found = reader.choice(path, choices)
    return str(unknown) if found is None else found


def _phases(reader: ValueReader) -> Iterator[str]:
    path = (*_DESIGN, "phases")
    for place, item in reader.items(path, len(_PHASES)):
        phase = reader.chosen(item, (*path, str(place)), _PHASES)
        if phase is not None:
            yield phase


def _interventions(reader: ValueReader) -> Iterator[dict[str, str]]:
    for path, item in reader.objects(_INTERVENTIONS, MOST_TERMS):
        inner = ValueReader({path[-1]: item}, reader.warnings)
        name = inner.text((path[-1], "name"), LONGEST_TERM)
        kind = inner.text((path[-1], "type"), LONGEST_INTERVENTION_TYPE)
        if name is not None:
            yield {"type": (kind or "other").lower(), "name": name}


def _age(reader: ValueReader, path: Path) -> str | None:
    found = reader.text(path, LONGEST_TERM)
    if found is None:
        return None
    try:
        return to_duration(found)
    except AgeError:
        reader.warn(path, f"{shown(found)} is no age. The study has no limit then: check it.")
        return None
