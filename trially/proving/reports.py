"""The signed report of a run.

The signature is Ed25519 (RFC 8032). Its key is derived from the installation's secret key by HKDF
(RFC 5869), so only the installation can sign. Anyone with the public key can verify.
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from trially.errors import OperatorError
from trially.keys import Purpose, signing
from trially.proving.attempts import Attempt, Outcome
from trially.proving.running import NEVER_APPLICABLE, Pairing, Plan, postgresql_versions

FORMAT = "trially-proof/3"


class ForgedReportError(OperatorError):
    """The file is no report, or its signature is invalid."""


class State(StrEnum):
    """What a run has shown of a tenant."""

    HELD = "held"
    """Every attack on the tenant was made, and a wall stopped it, or it is a documented limit."""

    BROKEN = "broken"
    """An attack succeeded."""

    NOT_PROVEN = "not proven"
    """No attack succeeded, but one could not be made or decided."""


@dataclass(frozen=True)
class TenantState:
    """What a run has shown of one tenant."""

    slug: str
    state: State
    reason: str | None
    """The first failed attempt."""


def states_of(plan: Plan, attempts: Sequence[Attempt]) -> list[TenantState]:
    """Return the state of each target, and of each further tenant that an attempt failed for."""
    failed: dict[str, Attempt] = {}
    for attempt in attempts:
        if attempt.outcome is Outcome.BREACHED:
            first = failed.get(attempt.tenant)
            if first is None or first.outcome is not Outcome.BREACHED:
                failed[attempt.tenant] = attempt
        elif attempt.outcome is Outcome.INCONCLUSIVE:
            failed.setdefault(attempt.tenant, attempt)
    slugs = dict.fromkeys([*plan.slugs, *sorted(failed)])
    return [_state_of(slug, failed.get(slug)) for slug in slugs]


def _state_of(slug: str, failed: Attempt | None) -> TenantState:
    if failed is None:
        return TenantState(slug, State.HELD, None)
    state = State.BROKEN if failed.outcome is Outcome.BREACHED else State.NOT_PROVEN
    return TenantState(slug, state, f"{failed.path}: {failed.wall}")


def to_report(plan: Plan, attempts: Sequence[Attempt], version: str) -> dict[str, Any]:
    """Return the report of a run. It contains tenants' slugs, and no other data of tenants."""
    counts = Counter(attempt.outcome for attempt in attempts)
    states = states_of(plan, attempts)
    pairings = {pairing.target.slug: pairing for pairing in plan.pairings}
    return {
        "format": FORMAT,
        "proved_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seed": plan.seed,
        "versions": {"trially": version, "postgresql": postgresql_versions(plan.everyone)},
        "states": {str(state): sum(each.state is state for each in states) for state in State},
        "tenants": [{**asdict(each), **_describe(pairings.get(each.slug))} for each in states],
        "not_applicable": NEVER_APPLICABLE,
        "counts": {str(outcome): counts[outcome] for outcome in Outcome},
        "sweeps": [sweep.as_item() for _, sweep in plan.sweeps],
        "attempts": [asdict(attempt) for attempt in attempts],
    }


def _describe(pairing: Pairing | None) -> dict[str, Any]:
    if pairing is None:
        return {"tier": None, "server": None, "attackers": []}
    return {
        "tier": pairing.target.tier.tier.value,
        "server": pairing.target.record.server.name,
        "attackers": [attacker.slug for attacker in pairing.attackers],
    }


def sign(report: dict[str, Any], secret_key: str) -> dict[str, Any]:
    """Return a document with the report and its signature."""
    return signing.sign(report, secret_key, Purpose.PROOF_SIGNATURES, "report")


def verify(signed: bytes, *secret_keys: str) -> dict[str, Any]:
    """Return the report of a signed document, or raise `ForgedReportError`."""
    return signing.verify(
        signed, secret_keys, Purpose.PROOF_SIGNATURES, "report", ForgedReportError
    )
