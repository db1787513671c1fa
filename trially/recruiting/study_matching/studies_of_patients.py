"""Which studies fit a patient, the best first, and which criteria are still open.

The patient is judged when the list is read, because a stored match may be older than the patient's
last change, and does not say at what time of the day a record begins to count. The evidence, and
what would satisfy each criterion, take most of the time of an explanation: they are read of one
match.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import select

from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.english.sentences import describe_asked
from trially.recruiting.criteria.english.words import Names
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.matching.charts import read_charts
from trially.recruiting.studies.model import Study
from trially.recruiting.study_matching.compiling import compile_known
from trially.recruiting.study_matching.decisions import decisions_about
from trially.recruiting.study_matching.judging import JudgedStudy, judge_studies
from trially.recruiting.study_matching.ranks import (
    VERDICTS,
    count_kinds,
    rank_of,
    score_of,
    unknown_kind,
)
from trially.recruiting.study_matching.studies import MatchedStudy

_study = table_of(Study).c


def studies_of_patient(
    patient_id: UUID, studies: Sequence[MatchedStudy], moment: Moment, terminology: Terminology
) -> tuple[list[Item], list[Item]]:
    """Return what each of some studies says of a patient, the best first.

    The order is that of the matches of a study. The second list names the studies that cannot be
    evaluated, because codes that their criteria name cannot be looked up.
    """
    compiled, studies, unknown = compile_known(studies, terminology)
    names = Names(terminology, compiled.wordings)
    named, decisions = _named(), decisions_about(patient_id)
    found = []
    for chart in read_charts([patient_id], moment, compiled.wanted):
        for judged in judge_studies(compiled, studies, chart, moment):
            study_id = judged.study.study_id
            rank, item = _describe(judged, names)
            decision = decisions.get(study_id)
            found.append((rank, {**named[study_id], **item, "decision": decision}))
    ordered = [item for _, item in sorted(found, key=lambda each: each[0])]
    return ordered, [named[each.study_id] for each in unknown]


def _named() -> dict[UUID, Item]:
    """Return the numbers and titles of all studies."""
    rows = fetch_items(
        select(_study.id.label("study_id"), _study.protocol_number, _study.title).where(
            of_current_tenant(Study)
        )
    )
    return {row["study_id"]: row for row in rows}


def _describe(judged: JudgedStudy, names: Names) -> tuple[int, Item]:
    """Return the rank of a study for the patient, and what the list shows of it."""
    study, rules, result = judged
    kinds = {n: unknown_kind(rules[n], result.outcomes[n]) for n in _numbers(result.unknown)}
    undecided, score = count_kinds(kinds.values()), score_of(result)
    rank = rank_of(
        VERDICTS.index(result.verdict),
        unknowns=len(kinds),
        people=undecided["people"],
        conflicts=undecided["conflicts"],
        score=score,
    )
    fails = (result.not_met & study.inclusions) | (result.met & ~study.inclusions)
    is_potential = result.verdict == Verdict.POTENTIAL
    return rank, {
        "verdict": result.verdict.value,
        "standing": result.standing.value,
        "score": score,
        "undecided": undecided,
        "failing": (fails & study.hard).bit_count(),
        "open_criteria": [
            {
                "position": number,
                "key": rules[number].criterion.id,
                "kind": rules[number].criterion.kind.value,
                "sentence": describe_asked(rules[number].criterion, names),
                "outcome": result.outcomes[number].value,
                "unknown_kind": kinds.get(number),
            }
            for number in (_numbers(fails | result.unknown) if is_potential else ())
        ],
    }


def _numbers(members: int) -> Iterator[int]:
    """Yield the positions of the criteria whose bits are set."""
    return (number for number in range(members.bit_length()) if members >> number & 1)
