"""Introductions of lists: `one or more of the following`, `all of the following are met`."""

import re
from dataclasses import dataclass
from enum import StrEnum

from trially.recruiting.drafting.places import Place

_NOUNS = (
    r"(?: (?:criteria|criterion|conditions?|diseases?|disorders?|comorbidities|medications?|"
    r"drugs?|items?|requirements?|statements?"
    r"|characteristics|features|parameters|categories|reasons|circumstances|risk factors?|"
    r"medical|exclusion|inclusion|events?)){0,3}"
)
_FOLLOWING = rf"(?:the )?(?:following|below|these){_NOUNS}"
_QUANTIFIERS = {
    "count": rf"(?:at least|>=) (?P<number>two|three|2|"
    rf"3)(?: \(\d\))? (?:or more )?(?:of )?{_FOLLOWING}",
    "any": (
        r"(?:any(?: one)?(?: or more)?|one(?: \(1\))?(?: or (?:more|several|both))?|"
        r"at least (?:one|1)(?: \(1\))?|>= ?1|either(?: one)?|1 or more)"
        rf"(?: \(?or more\)?)? (?:of )?{_FOLLOWING}"
    ),
    "all": rf"(?:all(?: of)?|each of|both(?: of)?|all the) {_FOLLOWING}",
    "none": _FOLLOWING,
}
_INTRODUCTION = re.compile(
    r"(?:(?:as )?(?:defined|evidenced|demonstrated|determined|documented|confirmed|"
    r"indicated) (?:by|as) )?"
    r"(?:(?:having|has|have|with|meets?|meeting|fulfil\w{0,4}|satisf\w{1,3}|presence of|if|by|"
    r"who|must) ){0,3}(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in _QUANTIFIERS.items())
    + r")(?: (?:are|is) (?:met|present|fulfilled|satisfied|true|applicable|apply)|"
    r" apply)?(?: \(?per participant self-report\)?)?"
    r"(?![a-z]) ?[:.-]? ?"
)
_NEUTRAL = re.compile(
    r"(?:(?:a|an|the|all|subjects?|patients?|participants?|individuals?|who|will|must|should|"
    r"not|be|is|are|excluded|eligible|considered|included"
    r"|for|entry|into|in|this|study|if|participation|enrollment|from|to|meet|meets|meeting|"
    r"have|has|with|trial|inclusion|exclusion|criteria|any|of"
    r"|potential|they|be|met|and|or|order|ineligible|enrolled|per|participant|self|report|key|"
    r"following)(?![a-z])|[ :.,-])*"
)
_NONE = re.compile(
    r"(?:none|n ?/ ?a|not applicable|no(?: specific)? exclusion criteria|nothing|nil|"
    r"no exclusions?|none (?:listed|specified|stated)"
    r"|(?:(?:any|all) )?(?:(?:participants?|patients?|subjects?|those) )?(?:who )?(?:does not|"
    r"do not|not|failure to|failing to|fails? to) meet(?:ing)? (?:the |"
    r"all )?inclusion criteria)[ .;]*"
)


class Quantifier(StrEnum):
    """How many of the statements below must hold."""

    ALL = "all"
    ANY = "any"
    COUNT = "count"
    UNSTATED = "unstated"


@dataclass(frozen=True, slots=True)
class Introduction:
    """An introduction of a list, and where it stands in the simplified statement."""

    quantifier: Quantifier
    place: Place
    number: int = 1
    """How many, for `count`."""


def find_introduction(text: str) -> Introduction | None:
    """Return the introduction of a list in a simplified statement, or None."""
    for word in re.finditer(r"(?<![^\s(])(?=[a-z>1])", text):
        match = _INTRODUCTION.match(text, word.start())
        if match is None:
            continue
        name = next(name for name in _QUANTIFIERS if match[name])
        number = {"two": 2, "2": 2, "three": 3, "3": 3}.get(match["number"] or "", 1)
        quantifier = Quantifier.UNSTATED if name == "none" else Quantifier(name)
        return Introduction(quantifier, Place(*match.span()), number)
    if text.endswith(":"):
        return Introduction(Quantifier.UNSTATED, Place(len(text) - 1, len(text)))
    return None


def is_neutral(text: str) -> bool:
    """Return whether the words of a simplified statement restrict nothing."""
    return _NEUTRAL.fullmatch(text) is not None


def asks_nothing(text: str) -> bool:
    """Return whether a statement says that there are no criteria: `None`, `N/A`."""
    return _NONE.fullmatch(text.strip("-* ")) is not None
