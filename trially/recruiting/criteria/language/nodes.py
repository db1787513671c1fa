"""Trees of criteria: groups, and how a node is read and written.

A node is an object with one member, whose name is its kind: `{"age": {"gte": 18}}`. Beside it may
stand `source`, the statement of a document that the node says.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from trially.recruiting.criteria.language.leaves import LEAVES
from trially.recruiting.criteria.language.objects import Object, Part, key
from trially.recruiting.criteria.language.parts import Source
from trially.recruiting.criteria.language.person_leaves import Leaf
from trially.recruiting.criteria.language.problems import refuse, step
from trially.recruiting.criteria.language.shapes import Json, Many, Shape, Whole, listed, show

MOST_DEPTH = 8
MOST_NODES = 200
_SOURCE = Object(Source)


class Group(Part, ABC):
    """A node that combines others."""

    kind: ClassVar[str]

    @abstractmethod
    def children(self) -> "Iterator[tuple[str, Node]]":
        """Yield each child with its relative pointer."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a tree."""

    what: Leaf | Group
    source: Source | None = None

    @property
    def kind(self) -> str:
        """Name of the kind, as JSON has it."""
        return self.what.kind

    def walk(self, pointer: str = "", depth: int = 1) -> "Iterator[tuple[str, int, Node]]":
        """Yield this node and all below it: pointer, depth from 1, node. Parents come first."""
        yield pointer, depth, self
        if isinstance(self.what, Group):
            for place, child in self.what.children():
                yield from child.walk(pointer + place, depth + 1)

    def leaves(self) -> Iterator[tuple[str, Leaf]]:
        """Yield each leaf with its pointer, in the order of the document."""
        for pointer, _, node in self.walk():
            if isinstance(node.what, Leaf):
                yield pointer, node.what


@dataclass(frozen=True)
class NodeShape(Shape[Node]):
    """The shape of a node."""

    def parse(self, value: Json, pointer: str) -> Node:
        """Return the node and all below it."""
        if not isinstance(value, dict):
            raise refuse(pointer, f'{show(value)} is no criterion, such as {{"age": …}}.')
        names = [name for name in value if name not in ("source", "then")]
        unknown = [name for name in names if name not in KINDS]
        if unknown:
            detail = f"'{unknown[0]}' is no kind of criterion. Known are {listed(sorted(KINDS))}."
            raise refuse(step(pointer, unknown[0]), detail)
        if len(names) != 1:
            found = f"{len(names)}: {listed(names)}" if names else "none"
            raise refuse(pointer, f"A criterion has one kind, and this one has {found}.")
        [name] = names
        if name == When.kind:
            members = {key: value[key] for key in value if key != "source"}
            what = KINDS[name].parse(members, pointer)
        else:
            if "then" in value:
                raise refuse(step(pointer, "then"), "'then' needs a 'when' beside it.")
            what = KINDS[name].parse(value[name], step(pointer, name))
        has_source = "source" in value
        source = _SOURCE.parse(value["source"], step(pointer, "source")) if has_source else None
        return Node(what, source)

    def dump(self, value: Node) -> Json:
        """Return the node and all below it."""
        written = KINDS[value.kind].dump(value.what)
        if value.kind != When.kind:
            written = {value.kind: written}
        if value.source is not None:
            written["source"] = _SOURCE.dump(value.source)
        return written

    def schema(self) -> dict[str, Json]:
        """Refer to the definition of nodes."""
        return {"$ref": "#/$defs/node"}


NODE = NodeShape()
_NODES = Many(NODE)


@dataclass(frozen=True, kw_only=True)
class AllOf(Group):
    """Met if each of its criteria is met."""

    kind = "all"
    direct = "of"

    of: tuple[Node, ...] = key(_NODES, "The criteria.")

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield the criteria."""
        return _numbered("/all", self.of)


@dataclass(frozen=True, kw_only=True)
class AnyOf(Group):
    """Met if at least one of its criteria is met."""

    kind = "any"
    direct = "of"

    of: tuple[Node, ...] = key(_NODES, "The criteria.")

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield the criteria."""
        return _numbered("/any", self.of)


@dataclass(frozen=True, kw_only=True)
class Not(Group):
    """Met if its criterion is not met. Unknown stays unknown."""

    kind = "not"
    direct = "of"

    of: Node = key(NODE, "The criterion.")

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield the criterion."""
        yield "/not", self.of


@dataclass(frozen=True, kw_only=True)
class Count(Group):
    """Met if a number of its criteria is met."""

    kind = "count"

    of: tuple[Node, ...] = key(_NODES, "The criteria.")
    at_least: int | None = key(Whole(1, MOST_NODES), "Least number of criteria met.", None)
    at_most: int | None = key(Whole(0, MOST_NODES), "Greatest number of criteria met.", None)
    exactly: int | None = key(Whole(0, MOST_NODES), "Number of criteria met.", None)

    @property
    def least(self) -> int:
        """Least number of criteria met."""
        return next(n for n in (self.exactly, self.at_least, 0) if n is not None)

    @property
    def most(self) -> int:
        """Greatest number of criteria met."""
        return next(n for n in (self.exactly, self.at_most, len(self.of)) if n is not None)

    def check(self) -> Iterator[tuple[str, str]]:
        """Refuse contradictory numbers, and those that are always or never met."""
        if self.exactly is None and self.at_least is None and self.at_most is None:
            yield "", "Give 'at_least', 'at_most' or 'exactly'."
        elif self.exactly is not None and (self.at_least, self.at_most) != (None, None):
            yield "/exactly", "Give 'exactly', or 'at_least' and 'at_most', not both."
        elif None not in (self.at_least, self.at_most) and self.least > self.most:
            yield "", f"No number is at least {self.least} and at most {self.most}."
        for name in ("exactly", "at_least", "at_most"):
            number = getattr(self, name)
            if number is not None and number > len(self.of):
                yield f"/{name}", f"There are only {len(self.of)} criteria in 'of'."

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield the criteria."""
        return _numbered("/count/of", self.of)


@dataclass(frozen=True, kw_only=True)
class When(Group):
    """A criterion for some patients. It is not applicable to others, and they satisfy it."""

    kind = "when"

    when: Node = key(NODE, "Whom the criterion is for.")
    then: Node = key(NODE, "The criterion.")

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield the condition and the criterion."""
        yield "/when", self.when
        yield "/then", self.then


def dump_plain(tree: Node) -> dict[str, Json]:
    """Return a tree as JSON values without the places of its nodes in documents."""
    written: dict[str, Json] = NODE.dump(_without_sources(tree))
    return written


def _without_sources(node: Node) -> Node:
    what = node.what
    if isinstance(what, AllOf | AnyOf | Count):
        what = replace(what, of=tuple(map(_without_sources, what.of)))
    elif isinstance(what, Not):
        what = Not(of=_without_sources(what.of))
    elif isinstance(what, When):
        what = When(when=_without_sources(what.when), then=_without_sources(what.then))
    return Node(what)


GROUPS: tuple[type[Group], ...] = (AllOf, AnyOf, Not, Count, When)
KINDS: dict[str, Object[Any]] = {
    **{each.kind: Object(each) for each in LEAVES},
    **{each.kind: Object(each) for each in GROUPS},
}
"""The shape of each kind of node, by its name in JSON."""


def _numbered(place: str, nodes: tuple[Node, ...]) -> Iterator[tuple[str, Node]]:
    return ((f"{place}/{number}", node) for number, node in enumerate(nodes))
