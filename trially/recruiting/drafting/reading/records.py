"""Conditions, medications, allergies: what a patient's records must or must not have."""

import re
from collections.abc import Set as AbstractSet

from trially.recruiting.drafting.knowledge.conditions import CONDITION_NAMES, ConditionConcept
from trially.recruiting.drafting.knowledge.kinds import Kind
from trially.recruiting.drafting.knowledge.medications import MEDICATION_NAMES, MedicationConcept
from trially.recruiting.drafting.reading.elements import Json, Piece, Role, Word

_NOT_A_CONDITION = re.compile(
    r"(?: ?-? ?(?:medications?|medicines?|drugs?|treatments?|therap(?:y|ies)|tests?|testing|"
    r"scores?|scale|screen(?:ing)?|questionnaire"
    r"|risks?|symptoms?|clinics?|education|programs?|vaccin\w+|management|related|associated|"
    r"induced|antibod(?:y|ies)|antigen"
    r"|surface|specialists?|care|prevention|free|inventory|index|surgery|survivors?|health|"
    r"study|studies|trials?|center|centre"
    r"|pain|ulcers?|foot|feet|complications?|control|team|nurse|educator|service|severity|"
    r"episodes?|unawareness|attack days|days"
    r"|assessment|distress|self|like|prone|stage|class|nyha|sensitive|resistant|wound|supplies|"
    r"technology|device))(?![a-z])"
)
_BEFORE_CONDITION = re.compile(
    r"(?:non-?|anti-?|pre-|treatment for|treatment of|treat|tested for|test for|screened for|"
    r"vaccin\w+ (?:for|against)|onset of|recovered from"
    r"|medications? for|symptoms|of having|develop\w*|worsening of|exacerbations? of|"
    r"management of|knowledge of|patients without) ?$"
)
_NOT_A_MEDICATION = re.compile(
    r"(?: ?-? ?(?:pumps?|requirements?|resistance|sensitivity|allerg\w+|naive|dependent|"
    r"levels?|injections?|infusions?|deficiency|use disorder"
    r"|overdose|misuse|abuse|addiction|dependence|withdrawal|related|induced|treated|"
    r"secretagogues?|analogues?|delivery|device|dose|doses|dosing"
    r"|users|sulfate|glargine|regimen|resistant|intolerant|failure|receptors?|antagonists?|"
    r"therapy adjustment))(?![a-z])"
)
_LISTED = re.compile(r",? ?(?:and/or|and|or|,) ?")
_ALLERGY = re.compile(
    r"(?:(?:known|documented|any) )?(?:allerg(?:y|ies|ic)|hypersensitivity|"
    r"intolerance)(?: reactions?)?"
    r"(?: or (?:hypersensitivity|allergy|intolerance|intolerant))?(?: reactions?)? to (?:the )?"
)


def read_condition(text: str, at: int, value_sets: AbstractSet[str]) -> Piece | Word | None:
    """Return the condition at a position, as a value set that the tenant has, or by codes.

    A name that only contains the name of a condition, such as `ocular hypertension`, is unread.
    """
    found = CONDITION_NAMES.find(text, at)
    if found is not None and found.what is None:
        return Word(at, found.end, Role.OTHER)
    if found is None or found.what is None or _NOT_A_CONDITION.match(text, found.end):
        return None
    if _BEFORE_CONDITION.search(text[max(0, at - 30) : at]):
        return None
    concept = found.what
    leaf = "procedure" if concept.is_procedure else "condition"
    criterion: Json = {leaf: {"in": _condition_codes(concept, value_sets)}}
    if concept.is_unrecorded:
        criterion[leaf]["missing"] = "unknown"
    kind = Kind.PROCEDURE if concept.is_state or concept.is_procedure else Kind.CONDITION
    return Piece(at, found.end, kind, concept.key, criterion)


def read_medication(text: str, at: int, value_sets: AbstractSet[str]) -> Piece | None:
    """Return the medication at a position, or the class of medications."""
    found = MEDICATION_NAMES.find(text, at)
    if found is None or _NOT_A_MEDICATION.match(text, found.end):
        return None
    criterion: Json = {"medication": {"in": _medication_codes(found.what, value_sets)}}
    return Piece(at, found.end, Kind.MEDICATION, found.what.key, criterion)


def read_allergy(text: str, at: int, value_sets: AbstractSet[str]) -> Piece | None:
    """Return the allergy to a medication at a position, or to any of several."""
    match = _ALLERGY.match(text, at)
    found = MEDICATION_NAMES.find(text, match.end()) if match else None
    if found is None:
        return None
    concepts = [found.what]
    while (joint := _LISTED.match(text, found.end)) is not None:
        other = MEDICATION_NAMES.find(text, joint.end())
        if other is None:
            break
        found = other
        concepts.append(found.what)
    leaves: list[Json] = [
        {"allergy": {"in": _medication_codes(each, value_sets)}} for each in concepts
    ]
    criterion = leaves[0] if len(leaves) == 1 else {"any": leaves}
    key = "_".join(each.key for each in concepts)
    return Piece(at, found.end, Kind.ALLERGY, key, criterion)


def _condition_codes(concept: ConditionConcept, value_sets: AbstractSet[str]) -> Json:
    if concept.key in value_sets:
        return {"valueset": [concept.key]}
    codes: Json = {}
    if concept.icd10:
        codes["icd10_prefix"] = list(concept.icd10)
    if concept.snomed:
        codes |= {"codes": [f"sct|{code}" for code in concept.snomed], "descendants": True}
    return codes


def _medication_codes(concept: MedicationConcept, value_sets: AbstractSet[str]) -> Json:
    if concept.key in value_sets:
        return {"valueset": [concept.key]}
    return {"ingredient": list(concept.ingredients)}
