"""Compare a server's roles, databases, memberships and settings with those of references.

Rows about a tenant's role or database are compared with the rows of the reference's. What belongs
to nobody of this installation must not be able to reach its databases.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from trially.doctor.comparing.differences import find_differences
from trially.doctor.comparing.sentence import Sentence
from trially.doctor.comparing.sentences import describe
from trially.doctor.comparing.server_rows import ServerRow
from trially.doctor.fleet import TenantDatabase
from trially.doctor.reference_databases import Reference

Placeholders = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ServerObjects:
    """The rows of a server's shared catalogs, its references' rows included."""

    rows: Sequence[ServerRow]
    almighty: Collection[str]
    """The superusers and the administrator. Their memberships change nothing."""

    @cached_property
    def by_subject(self) -> Mapping[str, Sequence[ServerRow]]:
        """The rows about each role and database."""
        by_subject: dict[str, list[ServerRow]] = {}
        for row in self.rows:
            if row.catalog == "pg_auth_members" and row.fields["member"] in self.almighty:
                continue
            for subject in row.subjects:
                by_subject.setdefault(subject, []).append(row)
        return by_subject

    def has_role(self, name: str) -> bool:
        """Return whether a role exists."""
        return self._has("pg_authid", name)

    def has_database(self, name: str) -> bool:
        """Return whether a database exists."""
        return self._has("pg_database", name)

    def compare_database(
        self, database: TenantDatabase, reference: Reference
    ) -> Iterator[Sentence]:
        """Yield what differs between a tenants' database, with its roles, and a reference's."""
        if not (self.has_role(database.login_role) and self.has_database(database.name)):
            return  # Other checks report a missing role or database.
        roles = [role for role in sorted(database.roles) if role != database.login_role]
        login = [(database.login_role, "{login}")]
        other = [(reference.database, "{login}")]
        unit = reference.unit
        yield from self._compare(
            self._about(database.login_role, roles),
            login,
            self._about(reference.database, [unit.role] if unit else []),
            other,
        )
        if unit is None:
            return
        for role in filter(self.has_role, roles):
            yield from self._compare(
                self._about(role),
                [(role, "{role}"), *login],
                self._about(unit.role),
                [(unit.role, "{role}"), *other],
            )

    def compare_installation(
        self, names: Sequence[str], references: Sequence[str], running: Collection[str]
    ) -> Iterator[Sentence]:
        """Yield what differs between the installation's own roles and catalog and references.

        Both sequences are the owner, the reader, and on the catalog's server its database. Rows
        about the names in `running` are left out: they belong to running doctors.
        """
        placeholders = list(zip(names, ("{owner}", "{reader}", "{catalog}"), strict=False))
        own = list(zip(references, ("{owner}", "{reader}", "{catalog}"), strict=False))
        for place, (name, reference) in enumerate(zip(names, references, strict=True), start=1):
            found = self._about(name, {*names[place:], *running})
            expected = self._about(reference, references[place:])
            yield from self._compare(
                [row for row in found if not _is_database_of(row, name)],
                placeholders,
                [row for row in expected if not _is_database_of(row, reference)],
                [*own, *placeholders],
            )

    def _about(self, subject: str, not_about: Collection[str] = ()) -> list[ServerRow]:
        excluded = set(not_about)
        rows = self.by_subject.get(subject, ())
        return [row for row in rows if not row.subjects & excluded]

    def _has(self, catalog: str, name: str) -> bool:
        return any(
            row.catalog == catalog and row.object.identity == name
            for row in self.by_subject.get(name, ())
        )

    def _compare(
        self,
        found: Iterable[ServerRow],
        names: Placeholders,
        expected: Iterable[ServerRow],
        expected_names: Placeholders,
    ) -> Iterator[Sentence]:
        differences = find_differences(
            [row.as_row(names) for row in found],
            [row.as_row(expected_names) for row in expected],
        )
        for difference in differences:
            for sentence in describe(difference):
                what, remedy = sentence.what, sentence.remedy
                for name, placeholder in names:
                    what = what.replace(placeholder, name)
                    remedy = remedy.replace(placeholder, name)
                yield Sentence(what, remedy, sentence.is_limit)


def _is_database_of(row: ServerRow, owner: str) -> bool:
    """Return whether a row is a database that a role owns. The owner owns those of tenants."""
    return row.catalog == "pg_database" and row.fields["datname"] != owner
