"""Read a loaded terminology: search it, look up codes, and find what is above and below them."""

import json
import re
import sqlite3
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import NamedTuple

from trially.terminologies.systems import System

_WORD = re.compile(r"[^\W_]+")
MOST_WORDS = 8
_LAST = chr(0x10FFFF)


class TerminologyInfo(NamedTuple):
    """Which release of a code system is loaded."""

    system: System
    version: str
    identity: str
    """A digest of the files: another release, or another choice of files, has another one."""
    codes: int
    loaded_at: str
    """A time of ISO 8601."""
    files: list[str]


class Concept(NamedTuple):
    """A code of a system."""

    code: str
    display: str
    kind: str | None
    """The kind of an RxNorm concept (`IN`, `SCD`), or the class of a LOINC term."""
    is_active: bool


_COLUMNS = "concept.code, concept.display, concept.kind, concept.is_active"


class Terminology:
    """A loaded code system."""

    def __init__(self, system: System, connection: sqlite3.Connection) -> None:
        self.system = system
        self._connection = connection

    @cached_property
    def meta(self) -> dict[str, str]:
        """What the file says about itself."""
        return dict(self._connection.execute("SELECT name, value FROM meta"))

    @property
    def info(self) -> TerminologyInfo:
        """Return which release is loaded."""
        meta = self.meta
        return TerminologyInfo(
            self.system,
            meta["version"],
            meta["identity"],
            int(meta["codes"]),
            meta["loaded_at"],
            json.loads(meta["files"]),
        )

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code, or None if the release does not have it."""
        found = self._concepts("WHERE code = ?", code)
        return found[0] if found else None

    def displays(self, codes: Iterable[str]) -> dict[str, str]:
        """Return the names of those codes that the release has."""
        return dict(
            self._connection.execute(
                "SELECT code, display FROM concept WHERE code IN (SELECT value FROM json_each(?))",
                [json.dumps(list(codes))],
            )
        )

    def parents(self, code: str) -> list[Concept]:
        """Return what is directly above a code."""
        return self._concepts(
            "JOIN edge ON edge.parent = concept.id"
            " WHERE edge.child = (SELECT id FROM concept WHERE code = ?) ORDER BY concept.id",
            code,
        )

    def children(self, code: str, most: int) -> list[Concept]:
        """Return what is directly below a code, at most so many, shortest names first."""
        return self._concepts(
            "JOIN edge ON edge.child = concept.id"
            " WHERE edge.parent = (SELECT id FROM concept WHERE code = ?)"
            " ORDER BY concept.id LIMIT ?",
            code,
            most,
        )

    def below(self, codes: Collection[str], most: int) -> set[str]:
        """Return codes and all that is below them, at most so many and one."""
        return {
            code
            for (code,) in self._connection.execute(
                "WITH RECURSIVE below (id) AS ("
                " SELECT id FROM concept WHERE code IN (SELECT value FROM json_each(?))"
                " UNION SELECT edge.child FROM edge JOIN below ON edge.parent = below.id"
                ") SELECT code FROM below JOIN concept USING (id) LIMIT ?",
                [json.dumps(list(codes)), most + 1],
            )
        }

    def mapped(self, codes: Collection[str]) -> set[tuple[str, str]]:
        """Return the codes that these have in other systems, with the URLs of these."""
        return set(
            self._connection.execute(
                "SELECT mapping.url, mapping.code FROM mapping"
                " JOIN concept ON concept.id = mapping.concept"
                " WHERE concept.code IN (SELECT value FROM json_each(?))",
                [json.dumps(list(codes))],
            )
        )

    def siblings(self, codes: Collection[str], candidates: Collection[str]) -> set[str]:
        """Return those candidates that are directly below something directly above the codes."""
        return {
            code
            for (code,) in self._connection.execute(
                "WITH above AS MATERIALIZED ("
                " SELECT DISTINCT edge.parent FROM edge JOIN concept ON concept.id = edge.child"
                " WHERE concept.code IN (SELECT value FROM json_each(?)))"
                " SELECT DISTINCT concept.code FROM concept JOIN edge ON edge.child = concept.id"
                " WHERE concept.code IN (SELECT value FROM json_each(?))"
                " AND edge.parent IN (SELECT parent FROM above)",
                [json.dumps(list(codes)), json.dumps(list(candidates))],
            )
        }

    def search(self, text: str, most: int) -> list[Concept]:
        """Return concepts whose code begins with a text, and those that have words like it.

        Each word of the text must begin a word of the concept's names. Codes come first, then
        concepts in use, those with the shortest names first.
        """
        found = {each.code: each for each in self._of_code(text.strip(), most)}
        words = _WORD.findall(text)[:MOST_WORDS]
        if words and len(found) < most:
            matching = " AND ".join(f'"{word}"*' for word in words)
            for each in self._concepts(
                "JOIN word ON word.rowid = concept.id WHERE word MATCH ? ORDER BY word.rowid"
                " LIMIT ?",
                matching,
                most,
            ):
                found.setdefault(each.code, each)
        return list(found.values())[:most]

    def _of_code(self, text: str, most: int) -> list[Concept]:
        if not any(character.isdigit() for character in text) or " " in text:
            return []
        start = text.upper()
        return self._concepts(
            "WHERE code >= ? AND code < ? ORDER BY code LIMIT ?", start, start + _LAST, most
        )

    def _concepts(self, rest: str, *parameters: str | int) -> list[Concept]:
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM concept {rest}", parameters)
        return [
            Concept(code, display, kind, bool(is_active)) for code, display, kind, is_active in rows
        ]
