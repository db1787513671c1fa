"""Hashes of leaves and criteria: by them, results are cached and answers of people kept."""

import hashlib
import json
from collections.abc import Sequence

from trially.recruiting.criteria.code_sets import CodeSet, Terminology, look_up
from trially.recruiting.criteria.evaluation.leaves import ENGINE_VERSION
from trially.recruiting.criteria.evaluation.subjects import StudyContext
from trially.recruiting.criteria.language.codes import NO_CODES, Codes
from trially.recruiting.criteria.language.criteria import SCHEMA_VERSION, Criterion
from trially.recruiting.criteria.language.durations import Duration
from trially.recruiting.criteria.language.nodes import KINDS, dump_plain
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.record_leaves import Observation, Pregnancy, RecordLeaf
from trially.recruiting.criteria.selectors import Attribute, Selector, select
from trially.recruiting.criteria.units.table import UNIT_TABLE_VERSION


def leaf_hash(
    leaf: Leaf,
    terminology: Terminology,
    zone: str,
    look_back: Duration,
    study: StudyContext = StudyContext(),  # noqa: B008  it is immutable
) -> str:
    """Return the hash of a leaf: SHA-256, in hexadecimal.

    Leaves with equal hashes have equal results at equal moments. The hash changes with the meaning
    of the language, the unit table, the value sets of the leaf, the time zone and the look-back.
    That of a leaf that depends on the study changes with the study and its places, too.
    """
    depends_on_study = Attribute.STUDY in select(leaf, terminology).attributes
    parts = [
        leaf.kind,
        KINDS[leaf.kind].dump(leaf),
        [_version(codes, terminology) for codes in codes_of(leaf)],
        [SCHEMA_VERSION, ENGINE_VERSION, UNIT_TABLE_VERSION],
        [zone, str(look_back)],
        [str(study.id), study.places] if depends_on_study else None,
    ]
    return _digest(parts)


def selector_hash(selector: Selector) -> str:
    """Return the hash of what a leaf reads. Frames are cached by it."""
    parts = [
        selector.type,
        None if selector.codes is None else _content(selector.codes),
        selector.keeps,
        sorted(selector.attributes),
        [ENGINE_VERSION, UNIT_TABLE_VERSION],
    ]
    return _digest(parts)


def criterion_hash(criterion: Criterion) -> str:
    """Return the hash of what a criterion asks. An answer of a person holds while it is the same.

    Labels, weights and places in documents do not change it.
    """
    tree = criterion.expression
    asked = None if tree is None else dump_plain(tree)
    text = criterion.source.text if tree is None and criterion.source else None
    return _digest([SCHEMA_VERSION, criterion.kind, asked, text])


def codes_of(leaf: Leaf) -> list[Codes]:
    """Return the codes that a leaf names."""
    codes = [leaf.in_] if isinstance(leaf, RecordLeaf | Pregnancy) else []
    if isinstance(leaf, Observation) and leaf.value is not None and leaf.value.in_ is not None:
        codes.append(leaf.value.in_)
    return [each for each in codes if each != NO_CODES]


def _version(codes: Codes, terminology: Terminology) -> list[object]:
    return _content(look_up(codes, terminology))


def _content(codes: CodeSet) -> list[object]:
    return [
        codes.version,
        sorted(map(str, codes.codes)),
        sorted(codes.prefixes),
        sorted(codes.ranges),
    ]


def _digest(parts: Sequence[object]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
