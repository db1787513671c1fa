"""Roles of single words and fixed phrases."""

from trially.recruiting.drafting.knowledge.phrases import WORD
from trially.recruiting.drafting.reading.elements import Role, Word
from trially.recruiting.drafting.reading.fixed_phrases import FIXED_PHRASES

_ROLES = {
    Role.FILLER: (
        "a an the subject subjects patient patients participant participants individual"
        " individuals person persons people volunteer volunteers candidate candidates will"
        " may be is are was were being been has have had having with who whom which that"
        " of at as in to for by from during time screening enrollment enrolment randomization"
        " randomisation baseline inclusion visit study entry inclusive known documented confirmed"
        " established clinical clinically diagnosed diagnosis diagnoses diagnostic diagnosable"
        " presence evidence any either age aged years year old level levels value values result"
        " results their his her he she they medical condition conditions on into within those"
        " these there suffering suffers suffer reported self report hx dx proved proven verified"
        " criteria"
    ),
    Role.DUTY: "must should shall",
    Role.CURRENT: "current currently active actively ongoing presently concurrent concomitant",
    Role.PAST: "history past previous previously prior lifetime ever historical",
    Role.TAKING: (
        "taking takes take receiving receives receive using use uses user users treated treatment"
        " therapy therapies prescribed prescription medication medications drug drugs agent agents"
        " requiring requires require undergoing administration medicine medicines"
    ),
    Role.TOOK: "received taken took used undergone underwent",
    Role.MINOR: (
        "child children adolescent adolescents boy boys girl girls pediatric teenagers infants"
    ),
    Role.AND: "and & plus as-well-as",
    Role.OR: "or / and/or",
    Role.BUT: "but",
    Role.NEGATION: "no not without none never neither nor absent",
}
_BY_WORD = {word: role for role, words in _ROLES.items() for word in words.split()}


def read_word(text: str, at: int) -> Word:
    """Return the word or phrase at a position, with its role."""
    for role, pattern in FIXED_PHRASES:
        match = pattern.match(text, at)
        if match is not None and match.end() > at:
            return Word(at, match.end(), role)
    match = WORD.match(text, at)
    if match is None:
        return Word(at, at + 1, Role.FILLER)
    return Word(at, match.end(), _role(match[0]))


def _role(word: str) -> Role:
    if word == ",":
        return Role.COMMA
    if word in ";.":
        return Role.BREAK
    if word in _BY_WORD:
        return _BY_WORD[word]
    return Role.OTHER if word[0].isalnum() or word in "<>=+%~" else Role.FILLER
