"""Compare a database with its reference."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from trially.doctor.comparing.differences import find_differences
from trially.doctor.comparing.names import Unit
from trially.doctor.comparing.restoring import in_original_notation
from trially.doctor.comparing.sentence import Sentence
from trially.doctor.comparing.sentences import describe
from trially.doctor.comparing.snapshots import Row, Snapshot


class ReferenceDatabase(Protocol):
    """A database that has what a new placement has, and nothing else."""

    @property
    def unit(self) -> Unit | None:
        """The tenant with a schema of its own, if the tier has them."""

    @property
    def builtin_digests(self) -> Mapping[str, tuple[int, int]]:
        """The number and versions of PostgreSQL's own rows, by catalog."""

    @property
    def digests(self) -> Mapping[str, tuple[int, str]]:
        """The number of rows and their digest, by scope."""

    def rows(self, scope: str) -> list[Row]:
        """Return the rows of a scope."""

    def restored_definitions(self, scope: str) -> Mapping[str, str]:
        """Return definitions of constraints that a restore changes, with their later texts."""

    def builtin_rows(self, catalog: str) -> list[Row]:
        """Return PostgreSQL's own rows of a catalog."""


def compare_builtin(snapshot: Snapshot, reference: ReferenceDatabase) -> Iterator[Sentence]:
    """Yield what differs in the rows that initdb made: system functions, views and their grants."""
    digests = snapshot.builtin_digests()
    changed = [
        name for name, digest in digests.items() if digest != reference.builtin_digests[name]
    ]
    if changed:
        expected = [row for catalog in changed for row in reference.builtin_rows(catalog)]
        for difference in find_differences(snapshot.builtin_rows(changed), expected):
            for sentence in describe(difference):
                yield _filled(sentence, snapshot, "")


def compare_objects(
    snapshot: Snapshot,
    reference: ReferenceDatabase,
    digests: Mapping[str, tuple[int, str]],
    excluded: Collection[str] = (),
) -> Iterator[tuple[str, Sentence]]:
    """Yield what differs in all other rows, each with its scope: a schema, or empty.

    `digests` are those of the snapshot. Scopes in `excluded` are not compared.
    """
    units = snapshot.names.units_by_schema
    own = reference.unit.schema if reference.unit else ""
    common = {scope for scope in reference.digests if scope != own or not own}
    scopes = {
        scope
        for scope in {*digests, *common} - set(excluded)
        if digests.get(scope) != reference.digests.get(own if scope in units else scope)
    }
    if not scopes:
        return
    rows = snapshot.rows(scopes)
    shared = [scope for scope in scopes if scope not in units]
    found = [row for scope in shared for row in _rows_of(rows[scope], reference, scope)]
    expected = [row for scope in shared for row in reference.rows(scope)]
    for difference in find_differences(found, expected):
        for sentence in describe(difference):
            yield "", _filled(sentence, snapshot, "")
    for scope in sorted(scopes & units.keys()):
        rows_here = _rows_of(rows[scope], reference, own)
        for difference in find_differences(rows_here, reference.rows(own)):
            for sentence in describe(difference):
                yield scope, _filled(sentence, snapshot, scope)


def _rows_of(found: Sequence[Row], reference: ReferenceDatabase, scope: str) -> Sequence[Row]:
    """Return a scope's rows, with constraints in the reference's notation."""
    return in_original_notation(
        found, reference.rows(scope), lambda: reference.restored_definitions(scope)
    )


def _filled(sentence: Sentence, snapshot: Snapshot, scope: str) -> Sentence:
    what, remedy = (snapshot.names.fill(text, scope) for text in sentence[:2])
    return Sentence(what, remedy, sentence.is_limit)
