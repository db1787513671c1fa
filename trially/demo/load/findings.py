"""What a load has found: each acknowledged write that is not as its client was told."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """How the tenant's rows, or an answer, differ from what the ledger says."""

    LOST = "lost"
    """An acknowledged record, change or deletion is not there."""

    DOUBLED = "doubled"
    """A write had its effect more than once, or a repeated key was not recognised."""

    ELSEWHERE = "elsewhere"
    """Another tenant can read the record."""

    WRONG = "wrong"
    """A record has values that no client has written."""

    STALE = "stale"
    """A read began after a write was acknowledged, and did not show it."""

    REFUSED = "refused"
    """A request was answered with an error that a repetition cannot mend."""

    UNANSWERED = "unanswered"
    """A request had no answer in time, however often it was repeated."""


@dataclass(frozen=True)
class Finding:
    """A difference between the tenant and the ledger."""

    amiss: FindingKind
    tenant: str
    what: str
    """A sentence with keys and ids, without values of patients."""


@dataclass(frozen=True)
class Verdict:
    """The comparison of the ledger with what all tenants hold after the load."""

    acknowledged: int
    """Writes of all tenants that were acknowledged: records, changes, deletions, imports."""

    compared: int
    """Records that were read back and compared."""

    findings: tuple[Finding, ...]

    @property
    def amiss(self) -> dict[str, int]:
        """Return how many findings there are of each kind that has some."""
        return dict(Counter(finding.amiss.value for finding in self.findings))

    @property
    def is_clean(self) -> bool:
        """Return whether nothing is amiss."""
        return not self.findings
