"""What a check finds in migrations, and which findings are accepted, with reasons."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trially.config import ROOT
from trially.errors import OperatorError

ACCEPTED = ROOT / "migrations" / "accepted_findings.toml"


class LintError(OperatorError):
    """Migrations cannot be checked."""


@dataclass(frozen=True)
class Finding:
    """One fault of a migration."""

    migration: str
    """Lineage and revision, such as `tenant/0021`."""

    rule: str
    subject: str
    """The table, index or statement that it is about."""

    advice: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What an accepted finding names."""
        return self.migration, self.rule, self.subject


@dataclass(frozen=True)
class Accepted:
    """Findings of one rule that are accepted for one reason."""

    migration: str
    rule: str
    subjects: tuple[str, ...]
    reason: str

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """The keys of the findings."""
        return [(self.migration, self.rule, subject) for subject in self.subjects]


def read_accepted(path: Path = ACCEPTED) -> list[Accepted]:
    """Return the accepted findings. Raises `LintError` for an entry without a reason."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", [])
    accepted = []
    for entry in entries:
        try:
            each = Accepted(
                entry["migration"], entry["rule"], tuple(entry["subjects"]), entry["reason"].strip()
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise LintError(
                f"{path.name}: an entry needs the texts migration, rule and reason, and the list"
                f" subjects. It is {entry!r}."
            ) from error
        if not each.reason:
            raise LintError(f"{path.name}: {each.migration}, {each.rule}: the reason is missing.")
        accepted.append(each)
    return accepted


def not_accepted(findings: Iterable[Finding], accepted: Iterable[Accepted]) -> list[Finding]:
    """Return the findings that are not accepted. An entry accepts as many as it names."""
    left = Counter(key for each in accepted for key in each.keys)
    found = []
    for finding in findings:
        if left[finding.key] > 0:
            left[finding.key] -= 1
        else:
            found.append(finding)
    return found


def stale(
    findings: Sequence[Finding], accepted: Iterable[Accepted], migrations: Iterable[str]
) -> list[str]:
    """Return a sentence for each entry that accepts what was not found in these migrations."""
    found, checked = Counter(finding.key for finding in findings), set(migrations)
    entries = Counter(key for each in accepted for key in each.keys if each.migration in checked)
    return [
        f"{migration}: {rule} of {subject} is accepted and was not found. Remove it from"
        f" {ACCEPTED.name}."
        for migration, rule, subject in sorted((entries - found).elements())
    ]
