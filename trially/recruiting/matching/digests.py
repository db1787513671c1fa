"""Names of what is cached: digests of all that a result depends on, besides the patients.

A change of the engine, of the table of units, of a value set, or of the tenant's time zone or
look-back gives another name. So nothing has to be deleted when one of them changes.
"""

import hashlib
from collections.abc import Iterable

import orjson

from trially.recruiting.criteria.code_sets import CodeSet
from trially.recruiting.criteria.days import Moment
from trially.recruiting.criteria.evaluation.leaves import ENGINE_VERSION
from trially.recruiting.criteria.evaluation.subjects import StudyContext
from trially.recruiting.criteria.language.criteria import dump_expression
from trially.recruiting.criteria.language.durations import Duration
from trially.recruiting.criteria.language.nodes import Node
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.selectors import Attribute, Selector
from trially.recruiting.criteria.units.table import UNIT_TABLE_VERSION

PACKING_VERSION = 5
"""Grows with each change of what frames hold, or of how they are packed."""


def name_frame(selector: Selector, moment: Moment, look_back: Duration | None) -> bytes:
    """Return the name of a frame. It has the records of a look-back, or of all time."""
    return _digest(
        *(PACKING_VERSION, ENGINE_VERSION, str(moment.days.zone)),
        *(str(look_back), *_selected(selector)),
    )


def name_leaf(leaf: Leaf, selector: Selector, moment: Moment, study: StudyContext) -> bytes:
    """Return the name of a leaf's results on one day."""
    of_study = (study.id, study.places) if Attribute.STUDY in selector.attributes else None
    return _digest(
        *(PACKING_VERSION, ENGINE_VERSION, UNIT_TABLE_VERSION),
        *(str(moment.days.zone), str(moment.look_back)),
        dump_expression(Node(leaf)),
        of_study,
        *_selected(selector),
    )


def name_people(moment: Moment) -> bytes:
    """Return the name of the frame of all patients."""
    return _digest(PACKING_VERSION, "people", str(moment.days.zone))


def name_homes() -> bytes:
    """Return the name of the frame of where patients live."""
    return _digest(PACKING_VERSION, "homes")


def name_living(moment: Moment) -> bytes:
    """Return the name of the set of those who are alive."""
    return _digest(PACKING_VERSION, "living", str(moment.days.zone))


def name_newest(moment: Moment) -> bytes:
    """Return the name of the frame of the newest records."""
    return _digest(PACKING_VERSION, ENGINE_VERSION, "newest", str(moment.days.zone))


def name_coverage(moment: Moment) -> bytes:
    """Return the name of the set of those whose records cover the day."""
    return _digest(
        PACKING_VERSION, ENGINE_VERSION, "covered", str(moment.days.zone), str(moment.look_back)
    )


def _selected(selector: Selector) -> Iterable[object]:
    codes: CodeSet | None = selector.codes
    yield selector.type
    yield selector.keeps
    if codes is not None:
        yield sorted(map(str, codes.codes))
        yield sorted(codes.prefixes)
        yield sorted(codes.ranges)


def _digest(*values: object) -> bytes:
    written = orjson.dumps(values, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(written).digest()
