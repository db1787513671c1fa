"""Differences that an operator intends, declared in a TOML file.

Each is a table `[[difference]]` with `what`, a pattern of the finding's text, and `reason`.
`where` and `tenant` are patterns too, and `until` is a date after which the declaration ends.
"""

import datetime as dt
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from trially.doctor.findings import Finding, Level
from trially.errors import OperatorError

FIELDS = {"what": str, "reason": str, "where": str, "tenant": str, "until": dt.date}
REQUIRED = ("what", "reason")
_ANY_TEXT = "4f1c2f0e-unlike-any-finding"
CHECK = "every declared difference exists"


class InvalidDeclarationError(OperatorError):
    """The file of declared differences cannot be used."""


@dataclass(frozen=True)
class Declaration:
    """One difference that the operator intends."""

    what: str
    reason: str
    where: str = "*"
    tenant: str = "*"
    until: dt.date | None = None

    def covers(self, finding: Finding) -> bool:
        """Return whether a finding is this difference."""
        return (
            finding.level in (Level.WARNING, Level.ERROR)
            and fnmatchcase(finding.what, self.what)
            and fnmatchcase(finding.where, self.where)
            and fnmatchcase(finding.tenant or "", self.tenant)
        )


def read_declarations(path: Path) -> list[Declaration]:
    """Return the declarations in a file, or raise `InvalidDeclarationError`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidDeclarationError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidDeclarationError(f"{path} is not valid TOML: {error}.") from None
    entries = document.pop("difference", [])
    if document:
        raise InvalidDeclarationError(
            f"{path} has the key {next(iter(document))!r}. Use tables [[difference]] only."
        )
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidDeclarationError(f"{path}: write each difference as a table [[difference]].")
    return [_read_entry(path, number, entry) for number, entry in enumerate(entries, start=1)]


def apply_declarations(
    declarations: Iterable[Declaration], findings: Iterable[Finding], today: dt.date
) -> Iterator[Finding]:
    """Yield the findings, the intended ones as declared, and a warning for each unused declaration.

    A declaration that has ended covers nothing.
    """
    declarations = list(declarations)
    used: set[Declaration] = set()
    for finding in findings:
        covering = [
            each for each in declarations if each.covers(finding) and not _ended(each, today)
        ]
        used.update(covering)
        if covering:
            yield replace(finding, level=Level.DECLARED, reason=covering[0].reason)
        else:
            yield finding
    for declaration in declarations:
        if declaration not in used:
            yield _unused(declaration, today)


def _read_entry(path: Path, number: int, entry: Mapping[str, Any]) -> Declaration:
    where = f"{path}, difference {number}"
    for name, value in entry.items():
        if name not in FIELDS:
            allowed = ", ".join(FIELDS)
            raise InvalidDeclarationError(f"{where}: unknown key {name!r}. Use {allowed}.")
        if not isinstance(value, FIELDS[name]) or value == "":
            kind = "a date" if FIELDS[name] is dt.date else "a text"
            raise InvalidDeclarationError(f"{where}: {name!r} must be {kind}.")
    for name in REQUIRED:
        if not str(entry.get(name, "")).strip():
            raise InvalidDeclarationError(f"{where}: {name!r} is missing.")
    if fnmatchcase(_ANY_TEXT, entry["what"]):
        raise InvalidDeclarationError(f"{where}: 'what' would cover every finding. Write its text.")
    return Declaration(**entry)


def _ended(declaration: Declaration, today: dt.date) -> bool:
    return declaration.until is not None and declaration.until < today


def _unused(declaration: Declaration, today: dt.date) -> Finding:
    state = f"ended on {declaration.until}" if _ended(declaration, today) else "is not found"
    what = f"the declared difference {declaration.what!r} {state}"
    remedy = "Remove it from the file, or correct its patterns."
    return Finding(Level.WARNING, CHECK, "declarations", what, remedy)
