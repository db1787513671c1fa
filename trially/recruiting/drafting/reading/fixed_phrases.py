"""Fixed phrases, and what they do in a statement. Each line is a regular expression."""

import re

from trially.recruiting.drafting.reading.elements import Role

_DIAGNOSTIC = r"(?:dsm ?-? ?(?:5|v|iv)(?: ?-? ?tr)?|icd ?-?1[01]|ada|who)"
_FORMULA = r"(?:ckd-?epi|mdrd|cockcroft[- ]gault|chronic kidney disease epidemiology collaboration)"
_MOMENT = r"(?:consent|screening|enroll?ment|inclusion|randomi[sz]ation|visit|study|entry)"
_BY = r"(?:using|by|with|based on|according to)"

_AT_TIME = r"(?:at|as of) (?:the )?time of (?:the )?(?:study )?(?:signing (?:of )?(?:the )?)?"
_MEASURED = r"(?:as )?(?:measured|calculated|determined|assessed|estimated|evaluated)?"
_SOCIETY = r"(?:who|ada|american diabetes association|world health organization)"
_MEETS = r"(?:meets? |according to |as per |per )?(?:the )?"

_JOINTS = (r"and ?/ ?or", r"or ?/ ?and", r"or (?:any |an)?other")
_TIMES = (r"(?:prior|previous|subsequent) to", r"(?:before|after|until|since)")
_NEGATIONS = (
    r"absence of",
    r"lack of",
    r"free (?:of|from)",
    r"no evidence of",
    r"negative for",
    r"denies",
)
_FILLERS = (
    rf"{_AT_TIME}(?:written )?(?:informed )?{_MOMENT}(?: form)?(?: \(?icf\)?)?",
    r"(?:of )?signing (?:the )?(?:informed )?consent(?: form)?",
    rf"{_MEASURED} ?{_BY} (?:the )?{_FORMULA}(?: (?:equation|formula|method))?",
    rf"according to (?:the )?{_SOCIETY}(?: (?:criteria|definition|guidelines))?",
    r"regardless of (?:sex|gender|race)(?: (?:or|and) (?:sex|gender|race|ethnicity))?",
    r"irrespective of (?:sex|gender)",
    r"as per",
    r"medical history of",
    r"the following",
    r"(?:most recent|latest|last available|last measured)",
    r"(?:medical|health) records?(?: showing)?",
    rf"{_MEETS}{_DIAGNOSTIC}(?: diagnostic)?(?: criteria)?(?: (?:for|of)(?![a-z]))?",
    r"of any (?:a?etiology|cause|type|kind|severity|form)",
    r"(?:an )?episodes? of",
    r"exclusion of",
    r"by (?:a )?(?:physician|doctor|self[- ]report)",
    r"self[- ]reported",
    r"\(?inclusive\)?",
    r"at (?:the )?(?:screening|baseline|first|enrollment|initial)(?: visit| examination)?",
    r"male or female of all ages",
    r"a (?:confirmed|documented|known|clinical|prior|previous) diagnosis of",
)
_BLOCKS = (
    r"with ?(?:or|/) ?without",
    r"(?:family|familial|maternal|paternal|parental) (?:or personal )?history(?: of)?",
    r"(?:first|1st)[- ]degree (?:relative|family)",
    r"relatives?",
    r"(?:increased |high |at |elevated )?risks?(?: factors?)? (?:of|for)",
    r"at risk",
    r"suspected|suspicion|possible|probable|planned|planning|scheduled|anticipated|expected",
    r"unless|except|excluding|exception|other than|others? than|instead of|rather than",
    r"due to|secondary to|caused by|resulting from|related to|associated with|because of",
    r"prevention of|prevent|symptoms? of|signs? of|likely|eligible for|candidates? for|awaiting",
    r"contraindications?|contraindicated|indication|refus\w{0,6}|willing\w{0,6}|unwilling\w{0,6}",
    r"unable|inability|able|ability|agree\w{0,6}|intend\w{0,4}|intention",
    r"parents?|caregivers?|spouse|physicians?",
    r"if|only applicable|applicable|note|permitted|allowed",
    r"such as|including|include|like|e\.g|i\.e|attributed",
    r"(?:that|which) (?:might|may|could|would)",
)
_OPENINGS = r"[(\[](?!s\))|(?:as )?defined (?:as|by)(?: having)?(?![a-z])"
_PLURALS = r"\(s\)|\(es\)"


def _any(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"(?:{'|'.join(phrases)})(?![a-z])")


FIXED_PHRASES = (
    (Role.OR, _any(_JOINTS)),
    (Role.OTHER, _any(_TIMES)),
    (Role.OPEN, re.compile(_OPENINGS)),
    (Role.FILLER, re.compile(_PLURALS)),
    (Role.NEGATION, _any(_NEGATIONS)),
    (Role.FILLER, _any(_FILLERS)),
    (Role.BLOCK, _any(_BLOCKS)),
)
"""Phrases in the order in which they are tried."""
