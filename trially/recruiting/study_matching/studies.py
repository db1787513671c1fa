"""A study whose criteria are evaluated: a version of its protocol, compiled."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from uuid import UUID

from sqlalchemy import select

from trially.database.placement import current_placement
from trially.database.rows import Item, fetch_items, of_current_tenant, table_of
from trially.recruiting.criteria.code_sets import Terminology
from trially.recruiting.criteria.evaluation.engine import Engine
from trially.recruiting.criteria.evaluation.subjects import StudyContext
from trially.recruiting.criteria.evaluation.verdicts import (
    Rule,
    asks_for_the_deceased,
    compile_rules,
)
from trially.recruiting.criteria.facts import Place
from trially.recruiting.criteria.language.criteria import Criteria, Side
from trially.recruiting.criteria.language.person_leaves import Distance, Leaf
from trially.recruiting.protocols.versions.expressions import criteria_of
from trially.recruiting.protocols.versions.model import ProtocolVersion, VersionStatus
from trially.recruiting.study_matching.places import places_of
from trially.state import app_state

_version = table_of(ProtocolVersion).c


Stamp = tuple[UUID, str, dt.datetime]
"""A version's id, the hash of its criteria, and when it was approved. A restore may undo that."""


@dataclass(frozen=True)
class MatchedStudy:
    """The criteria of a version of a study's protocol."""

    study_id: UUID
    version_id: UUID
    criteria: Criteria
    places: tuple[Place, ...] = ()
    """Where the sites are at which the tenant recruits for it, or will."""

    stamp: Stamp | None = None
    """Names criteria that never change: those of an active version."""

    @cached_property
    def context(self) -> StudyContext:
        """What leaves read of the study."""
        return StudyContext(self.study_id, self.places)

    @cached_property
    def leaves(self) -> Sequence[Leaf]:
        """The leaves of all criteria, each once."""
        trees = [each.expression for each in self.criteria.criteria if each.expression is not None]
        return list(dict.fromkeys(leaf for tree in trees for _, leaf in tree.leaves()))

    @cached_property
    def wants_places(self) -> bool:
        """Whether a criterion is about the distance to the sites."""
        return any(isinstance(leaf, Distance) for leaf in self.leaves)

    @cached_property
    def wants_deceased(self) -> bool:
        """Whether the criteria ask for patients who have died."""
        return asks_for_the_deceased(self.criteria)

    @cached_property
    def inclusions(self) -> int:
        """The inclusions: one bit for each criterion by its position."""
        listed = enumerate(self.criteria.criteria)
        return sum(1 << number for number, each in listed if each.kind == Side.INCLUSION)

    @cached_property
    def hard(self) -> int:
        """The criteria that rule patients out: one bit for each by its position."""
        return sum(1 << number for number, each in enumerate(self.criteria.criteria) if each.hard)

    def rules(self, engine: Engine) -> list[Rule]:
        """Return the rules of the criteria over the leaves of an engine."""
        return compile_rules(self.criteria, engine.index_of)

    def engine(self, terminology: Terminology) -> Engine:
        """Return the study's own engine. Raises `UnknownCodesError`."""
        return Engine(self.leaves, terminology)


def find_version(study_id: UUID, number: int) -> MatchedStudy | None:
    """Return a version of a study by its number."""
    return next(_find(_version.study_id == study_id, _version.number == number), None)


def find_active(study_id: UUID) -> MatchedStudy | None:
    """Return the active version of a study, if it has one."""
    return next(_find(_version.study_id == study_id, _version.status == VersionStatus.ACTIVE), None)


def active_studies() -> list[MatchedStudy]:
    """Return all studies with an active version."""
    return list(_find(_version.status == VersionStatus.ACTIVE))


def _find(*conditions: object) -> Iterator[MatchedStudy]:
    rows = fetch_items(
        select(
            *(_version.id, _version.study_id, _version.status),
            *(_version.criteria_hash, _version.approved_at),
        )
        .where(of_current_tenant(ProtocolVersion), *conditions)  # type: ignore[arg-type]
        .order_by(_version.study_id)
    )
    kept, tenant_id = app_state().active_studies, current_placement().tenant_id
    stamps = {row["id"]: _stamp(row) for row in rows}
    found = {each: kept.get((tenant_id, stamp)) for each, stamp in stamps.items()}
    criteria = criteria_of([each for each, study in found.items() if study is None])
    studies = []
    for row in rows:
        stamp = stamps[row["id"]]
        study = found[row["id"]]
        if study is None:
            study = MatchedStudy(row["study_id"], row["id"], criteria[row["id"]], stamp=stamp)
            if stamp is not None:
                kept.put((tenant_id, stamp), study)
        studies.append(study)
    yield from with_places(studies)


def with_places(studies: Sequence[MatchedStudy]) -> Iterator[MatchedStudy]:
    """Yield studies with the places of their sites, if a criterion is about them."""
    places = places_of([each.study_id for each in studies if each.wants_places])
    for study in studies:
        yield replace(study, places=places[study.study_id]) if study.wants_places else study


def _stamp(version: Item) -> Stamp | None:
    if version["status"] != VersionStatus.ACTIVE or version["approved_at"] is None:
        return None
    return version["id"], version["criteria_hash"], version["approved_at"]
