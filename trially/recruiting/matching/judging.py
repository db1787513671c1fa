"""Judge a leaf for all patients: packed rows by numpy, and the other patients one by one."""

from dataclasses import replace
from uuid import UUID

from trially.recruiting.criteria.code_sets import NoTerminology, Terminology
from trially.recruiting.criteria.evaluation.folding import BITS_OF, Bits
from trially.recruiting.criteria.evaluation.leaves import compile_leaf
from trially.recruiting.criteria.evaluation.subjects import StudyContext, Subject
from trially.recruiting.criteria.facts import Person
from trially.recruiting.criteria.language.person_leaves import Age, Deceased, Distance, Leaf, Sex
from trially.recruiting.criteria.language.record_leaves import Observation, Pregnancy, RecordLeaf
from trially.recruiting.criteria.selectors import Selector
from trially.recruiting.matching.bits import pack
from trially.recruiting.matching.distances import judge_distance
from trially.recruiting.matching.frames import Frame
from trially.recruiting.matching.observed import judge_observations
from trially.recruiting.matching.panel import NOT_COVERING, Panel, Results
from trially.recruiting.matching.personal import judge_age, judge_deceased, judge_sex, men
from trially.recruiting.matching.recorded import judge_pregnancy, judge_records

_NOBODY = UUID(int=0)


def judge_leaf(
    leaf: Leaf,
    selector: Selector,
    frame: Frame | None,
    panel: Panel,
    terminology: Terminology,
    study: StudyContext,
) -> Bits:
    """Return the results of a leaf for all patients whose records are current."""
    if isinstance(leaf, Age):
        return _bits(judge_age(leaf, panel), panel)
    if isinstance(leaf, Sex):
        return _bits(judge_sex(leaf, panel), panel)
    if isinstance(leaf, Deceased):
        return _bits(judge_deceased(leaf, panel), panel)
    if isinstance(leaf, Distance):
        return _bits(judge_distance(leaf, panel, study.places), panel)
    if frame is None:
        return _judge_alike(leaf, panel, study)
    results = _judge_packed(leaf, selector, frame, panel, terminology)
    return _judge_hard(_bits(results, panel), leaf, frame, panel, terminology)


def _judge_packed(
    leaf: Leaf, selector: Selector, frame: Frame, panel: Panel, terminology: Terminology
) -> Results:
    # The last ordinals may be of patients whose records are not current.
    frame = replace(frame, rows=frame.rows[frame.rows["ordinal"] < panel.size])
    if isinstance(leaf, Pregnancy):
        return judge_pregnancy(leaf, frame.rows, panel, men(panel))
    if isinstance(leaf, Observation):
        return judge_observations(leaf, selector, terminology, frame, panel)
    assert isinstance(leaf, RecordLeaf)  # noqa: S101
    return judge_records(leaf, frame.rows, panel)


def _judge_hard(
    bits: Bits, leaf: Leaf, frame: Frame, panel: Panel, terminology: Terminology
) -> Bits:
    """Return results with those of the patients whose records are kept whole."""
    if not frame.hard:
        return bits
    judge = compile_leaf(leaf, terminology)
    sets = [members & ~frame.hard_set for members in bits]
    rows = frame.hard_rows(panel.moment.days)
    for ordinal, subject in panel.subjects(frame.hard.keys()).items():
        outcome = judge(rows[ordinal], subject).outcome
        for number, is_member in enumerate(BITS_OF[outcome]):
            if is_member:
                sets[number] |= 1 << ordinal
    return Bits(*sets)


def _judge_alike(leaf: Leaf, panel: Panel, study: StudyContext) -> Bits:
    """Judge a leaf that reads nothing that patients have: covered ones alike, and the others."""
    judge = compile_leaf(leaf, NoTerminology())
    everyone = panel.people.everyone
    covered = pack(panel.is_covered) & everyone
    sets = [0] * len(Bits._fields)
    for members, coverage in ((covered, panel.covering), (everyone & ~covered, NOT_COVERING)):
        subject = Subject(Person(_NOBODY), panel.moment, coverage, study)
        for number, is_member in enumerate(BITS_OF[judge((), subject).outcome]):
            if is_member:
                sets[number] |= members
    return Bits(*sets)


def _bits(results: Results, panel: Panel) -> Bits:
    everyone = panel.people.everyone
    return Bits(pack(results.met) & everyone, pack(results.not_met) & everyone)
