"""Import studies: create them, or change what their registry has changed since."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from trially.database.placement import current_placement
from trially.database.rows import Item, insert_item, update_item
from trially.recruiting.protocols.documents.model import StudyDocumentKind
from trially.recruiting.protocols.documents.storing import store_text
from trially.recruiting.sources.locking import lock_until_commit
from trially.recruiting.studies.model import Study
from trially.recruiting.study_imports.differences import Action, Difference, differences_of
from trially.recruiting.study_imports.files import ReadStudy
from trially.recruiting.study_imports.registry_studies import (
    NoStudyError,
    RegistryStudy,
    read_study,
)
from trially.recruiting.study_imports.stored_studies import (
    StoredStudy,
    find_study,
    has_protocol_number,
    store_record,
)
from trially.tenancy.data_keys import NoMasterKeyError, UnknownKeyError

ELIGIBILITY = "eligibility"
"""Name under which the digest of the imported eligibility text is kept."""

_NO_KEY = (
    "The tenant has no data key, so the eligibility text is in the registry's record only, and is"
    " no document. An operator can create the key with `flask keys rotate-data`."
)


class Result(StrEnum):
    """What an import did with a study, or would do."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an import did with one study."""

    place: str
    result: Result
    nct_id: str | None = None
    study_id: UUID | None = None
    """None if the study was refused, or is new in a dry run."""

    reason: str | None = None
    """Why it was refused: a sentence."""

    differences: list[Difference] = field(default_factory=list)
    eligibility_changed: bool = False
    warnings: list[dict[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class StudyImport:
    """An import of several studies into the current tenant. A dry run writes nothing."""

    def __init__(self, *, is_dry_run: bool) -> None:
        self.is_dry_run = is_dry_run
        self.counts: Counter[str] = Counter({str(each): 0 for each in Result})
        self._places: dict[str, str] = {}
        self._numbers: set[str] = set()

    def import_study(self, read: ReadStudy) -> Outcome:
        """Import one study in the open transaction. No other import of the tenant writes meanwhile.

        Raises a `KeyProviderError` if the tenant's data key cannot be unwrapped now.
        """
        outcome = self._import(read)
        self.counts[outcome.result] += 1
        return outcome

    def _import(self, read: ReadStudy) -> Outcome:
        if read.problem is not None:
            return Outcome(place=read.place, result=Result.REFUSED, reason=read.problem)
        try:
            study = read_study(read.body)
            self._refuse_repeated(study, read.place)
            if not self.is_dry_run:
                lock_until_commit(f"studies {current_placement().tenant_id}")
            stored = find_study(study.nct_id, tuple(study.values))
            if stored is None:
                return self._create(read.place, study)
        except NoStudyError as error:
            return Outcome(place=read.place, result=Result.REFUSED, reason=str(error))
        return self._change(read.place, study, stored)

    def _refuse_repeated(self, study: RegistryStudy, place: str) -> None:
        if study.nct_id in self._places:
            first = self._places[study.nct_id] or "its beginning"
            raise NoStudyError(f"{study.nct_id} is in the input twice: see {first}.")
        self._places[study.nct_id] = place

    def _create(self, place: str, study: RegistryStudy) -> Outcome:
        number = self._choose_number(study)
        study_id = None
        if not self.is_dry_run:
            values = {**study.values, "protocol_number": number}
            study_id = insert_item(Study, values, ("id",))["id"]
            self._store(study_id, study, None)
        return _outcome(place, Result.NEW, study, study_id=study_id)

    def _change(self, place: str, study: RegistryStudy, stored: StoredStudy) -> Outcome:
        imported = stored.imported
        differences = list(differences_of(study.values, stored.values, imported))
        replaced = {
            each.field: each.registry for each in differences if each.action is Action.REPLACED
        }
        eligibility_changed = imported.get(ELIGIBILITY) != _digest_of_text(study.eligibility)
        is_same = not replaced and stored.digest == digest_of(study) and not eligibility_changed
        if not (is_same or self.is_dry_run):
            if replaced:
                update_item(Study, stored.id, replaced, ("id",))
            self._store(stored.id, study, stored)
        return _outcome(
            place,
            Result.UNCHANGED if is_same else Result.CHANGED,
            study,
            study_id=stored.id,
            differences=differences,
            eligibility_changed=eligibility_changed,
        )

    def _store(self, study_id: UUID, study: RegistryStudy, stored: StoredStudy | None) -> None:
        """Store the registry's record, and the eligibility text as a document of the study."""
        former = None if stored is None else stored.imported.get(ELIGIBILITY)
        digest = _digest_of_text(study.eligibility)
        if study.eligibility is not None and digest != former:
            try:
                store_text(
                    study_id,
                    study.eligibility,
                    kind=StudyDocumentKind.ELIGIBILITY,
                    title=f"Eligibility of {study.nct_id}",
                )
            except (UnknownKeyError, NoMasterKeyError):
                digest = former
                study.warnings.append({"pointer": "", "detail": _NO_KEY})
        imported = {**study.values, ELIGIBILITY: digest}
        store_record(study_id, study, digest_of(study), imported)

    def _choose_number(self, study: RegistryStudy) -> str:
        """Return the protocol number of a new study: the sponsor's, or else the NCT id.

        Numbers of two sponsors may be equal, and one of them is taken then.
        """
        number = study.organisation_number
        if number is not None and self._is_free(number):
            self._numbers.add(number)
            return number
        if number is not None:
            detail = (
                f"Another study has the protocol number {number}, so this one gets"
                f" {study.nct_id}. If both are the same study, give the other one this NCT id."
            )
            study.warnings.append({"pointer": "", "detail": detail})
        if not self._is_free(study.nct_id):
            raise NoStudyError(
                f"Another study without an NCT id has the protocol number {study.nct_id}. Give it"
                " this NCT id, if it is the same study, or another number."
            )
        self._numbers.add(study.nct_id)
        return study.nct_id

    def _is_free(self, number: str) -> bool:
        return number not in self._numbers and not has_protocol_number(number)


def digest_of(study: RegistryStudy) -> bytes:
    """Return the SHA-256 of all that an import keeps of a study."""
    content = [study.record, study.values, study.eligibility, study.left_out]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def _digest_of_text(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def _outcome(place: str, result: Result, study: RegistryStudy, **rest: Any) -> Outcome:
    return Outcome(
        place=place,
        result=result,
        nct_id=study.nct_id,
        warnings=study.warnings,
        left_out=study.left_out,
        **rest,
    )


def show_outcome(outcome: Outcome) -> Item:
    """Return an outcome as `StudyOutcomeSchema` shows it."""
    names = ("place", "result", "nct_id", "study_id", "reason", "eligibility_changed", "warnings")
    return {
        **{name: getattr(outcome, name) for name in names},
        "left_out": outcome.left_out,
        "differences": [
            {name: getattr(each, name) for name in ("field", "stored", "registry", "action")}
            for each in outcome.differences
        ],
    }
