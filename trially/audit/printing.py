"""What the commands of the audit log print."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from trially.audit.sealer import Sealed
from trially.audit.verification import TenantVerdict
from trially.terminal import plural


def describe_sealed(sealed: Sealed) -> str:
    """Return what the sealer did for a tenant, as a sentence."""
    if sealed.error:
        return f"{sealed.slug}: {sealed.error}"
    if not sealed.seals:
        return f"{sealed.slug}: no records to seal."
    records, seals = plural(sealed.records, "record"), plural(sealed.seals, "seal")
    return f"{sealed.slug}: sealed {records} in {seals}."


def describe_verdict(slug: str, found: TenantVerdict) -> list[str]:
    """Return the result of a verification as sentences; the first fault comes first."""
    verdict = found.verdict
    sentences = [verdict.fault.sentence] if verdict.fault else []
    sentences += found.problems
    if not sentences:
        records, seals = plural(verdict.records, "record"), plural(verdict.seals, "seal")
        unsealed = plural(verdict.unsealed, "record")
        sentences.append(
            f"The audit log of {slug} is intact: {records} in {seals}, {unsealed} not sealed yet."
        )
    sentences += [
        f"The records of {each.year} were removed after their retention time, on"
        f" {each.pruned_at:%Y-%m-%d} by {each.operator} (record {each.record_id})."
        for each in found.prunings
    ]
    if found.witnessed is not None:
        sentences.append(f"Each witness has the seals up to {found.witnessed:,}.")
    return sentences


def verdict_as_dict(slug: str, found: TenantVerdict, sentences: Sequence[str]) -> dict[str, Any]:
    """Return the result of a verification for JSON."""
    verdict, fault = found.verdict, found.verdict.fault
    return {
        "tenant": slug,
        "is_intact": found.is_intact,
        "seals": verdict.seals,
        "records": verdict.records,
        "pruned": verdict.pruned,
        "unsealed": verdict.unsealed,
        "witnessed": found.witnessed,
        "fault": None if fault is None else asdict(fault),
        "problems": list(found.problems),
        "prunings": [asdict(each) for each in found.prunings],
        "sentences": list(sentences),
    }
