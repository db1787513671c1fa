"""Build the SQLite file of a terminology, with constant memory.

Rows are staged in a second file as they are read. Concepts then get their ids in the order of
activity and length, so that a search finds the shortest names first without sorting.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

FORMAT = "2"
"""Changes with the tables below. A file of another format has to be loaded again."""

_ROWS_AT_A_TIME = 5_000

_STAGED = """
PRAGMA main.journal_mode = OFF;
PRAGMA main.synchronous = OFF;
PRAGMA staged.journal_mode = OFF;
PRAGMA staged.synchronous = OFF;
CREATE TABLE staged.concept (
    code TEXT PRIMARY KEY, display TEXT NOT NULL, kind TEXT, is_active INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE staged.term (code TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE staged.edge (child TEXT NOT NULL, parent TEXT NOT NULL);
CREATE TABLE staged.relation (one TEXT NOT NULL, other TEXT NOT NULL);
CREATE TABLE staged.mapping (code TEXT NOT NULL, url TEXT NOT NULL, other TEXT NOT NULL);
CREATE TABLE staged.inactive (code TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE concept (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, display TEXT NOT NULL, kind TEXT,
    is_active INTEGER NOT NULL
);
CREATE TABLE edge (
    child INTEGER NOT NULL, parent INTEGER NOT NULL, PRIMARY KEY (child, parent)
) WITHOUT ROWID;
CREATE TABLE mapping (
    concept INTEGER NOT NULL, url TEXT NOT NULL, code TEXT NOT NULL,
    PRIMARY KEY (concept, url, code)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE word USING fts5(
    text, content = '', detail = none, prefix = '1 2 3',
    tokenize = 'unicode61 remove_diacritics 2'
);
"""

_FILL = """
UPDATE staged.concept SET is_active = 0 WHERE code IN (SELECT code FROM staged.inactive);
INSERT INTO concept (code, display, kind, is_active)
    SELECT code, display, kind, is_active FROM staged.concept
    ORDER BY is_active DESC, length(display), code;
CREATE UNIQUE INDEX concept_code ON concept (code);
INSERT OR IGNORE INTO edge
    SELECT child.id, parent.id FROM staged.edge
    JOIN concept AS child ON child.code = edge.child
    JOIN concept AS parent ON parent.code = edge.parent WHERE child.id <> parent.id;
CREATE INDEX edge_parent ON edge (parent, child);
INSERT OR IGNORE INTO mapping
    SELECT concept.id, mapping.url, mapping.other FROM staged.mapping
    JOIN concept ON concept.code = mapping.code;
CREATE INDEX staged.term_code ON term (code);
INSERT INTO word (rowid, text)
    SELECT id, concat_of FROM (
        SELECT concept.id, concept.display || ' ' || coalesce(
            (SELECT group_concat(text, ' ') FROM staged.term WHERE term.code = concept.code), ''
        ) AS concat_of FROM concept
    ) ORDER BY id;
INSERT INTO word (word) VALUES ('optimize');
ANALYZE;
"""


class Builder:
    """The file of a terminology while it is built. Nothing reads it before `finish`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._staged_path = path.with_suffix(".staged")
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("ATTACH DATABASE ? AS staged", [str(self._staged_path)])
        self._connection.executescript(_STAGED + _TABLES)
        self._connection.execute("BEGIN")
        self._rows: dict[str, list[Sequence[Any]]] = {}

    def add_concept(
        self, code: str, display: str, kind: str | None = None, *, is_active: bool = True
    ) -> None:
        """Add a concept. If its code was added before, the first one stays."""
        self._add("concept VALUES (?, ?, ?, ?)", (code, display, kind, int(is_active)))

    def add_term(self, code: str, text: str) -> None:
        """Add a further name of a concept, for searches."""
        self._add("term VALUES (?, ?)", (code, text))

    def add_edge(self, child: str, parent: str) -> None:
        """Say that a concept is directly below another."""
        self._add("edge VALUES (?, ?)", (child, parent))

    def add_mapping(self, code: str, url: str, other: str) -> None:
        """Say that a concept has a code in another system, given by its URL."""
        self._add("mapping VALUES (?, ?, ?)", (code, url, other))

    def add_relation(self, one: str, other: str) -> None:
        """Add a relation that `run` turns into an edge when all concepts are known."""
        self._add("relation VALUES (?, ?)", (one, other))

    def deactivate(self, code: str) -> None:
        """Say that a concept is no longer to be used."""
        self._add("inactive VALUES (?)", (code,))

    def run(self, statement: str, *parameters: Any) -> None:
        """Change what is staged: the schema is called `staged`."""
        self._flush()
        self._connection.execute(statement, parameters)

    def finish(self, meta: dict[str, str]) -> tuple[int, int]:
        """Complete the file, and return the numbers of its concepts and edges."""
        self._flush()
        self._connection.execute("COMMIT")
        self._connection.executescript(f"BEGIN; {_FILL} COMMIT;")
        counts = tuple(
            self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("concept", "edge")
        )
        meta = {**meta, "format": FORMAT, "codes": str(counts[0])}
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self.close()
        return counts[0], counts[1]

    def close(self) -> None:
        """Close the file, and remove what was staged."""
        self._connection.close()
        with suppress(FileNotFoundError):
            self._staged_path.unlink()

    def _add(self, target: str, row: Sequence[Any]) -> None:
        rows = self._rows.setdefault(target, [])
        rows.append(row)
        if len(rows) >= _ROWS_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        for target, rows in self._rows.items():
            self._connection.executemany(f"INSERT OR IGNORE INTO staged.{target}", rows)
        self._rows.clear()
