"""What a fault did, and whether that is allowed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from faults.fault import VICTIM, Fault, Reach
from faults.installation import FIRST, SECOND, Installation
from faults.ledger import Audit
from faults.load import Attempt, Record

SLOW_SECONDS = 1.5
"""A request that takes longer counts as not served in time."""
P99_FACTOR = 2.0
P99_FLOOR_MS = 250.0
"""Below it, a p99 is noise, because clients, app and databases share the machine's cores."""
LIVEZ_SECONDS = 2.0
LEAST_SHARE = 0.3
"""Of the former rate, at which other tenants must still be served."""

SHORTEST_SECONDS = 1.0
"""A fault that is shorter has no rate."""


@dataclass(frozen=True)
class Times:
    """When a fault began and ended, and the load, by the monotonic clock."""

    load_begun: float
    begun: float
    ended: float
    load_ended: float


@dataclass(frozen=True)
class Outcome:
    """One fault's figures."""

    name: str
    what: str
    reach: str
    requests: int
    acknowledged: int
    lost: int
    doubled: int
    foreign: int
    errors: dict[str, int]
    """Number of attempts by status and cause, during and after the fault."""

    fault_seconds: float
    recovery_seconds: float | None
    """From the end of the fault to the last refusal or slow request; None: not recovered."""

    p99_before_ms: float
    p99_others_ms: float | None
    """Of the tenants that the fault should not reach, during the fault."""

    others_failed: int
    others_slow: int
    others_share: float | None
    """Their rate during the fault, as a part of their rate before it."""

    served_per_second: tuple[float | None, float | None, float | None]
    """Before, during and after the fault."""

    livez_worst_seconds: float
    threads_left: int | None
    complaints: tuple[str, ...] = ()
    """What was not allowed, however fast the machine is."""

    delays: tuple[str, ...] = ()
    """What took longer than allowed."""

    @property
    def is_held(self) -> bool:
        return not self.complaints and not self.delays


def judge(
    fault: Fault,
    installation: Installation,
    record: Record,
    audit: Audit,
    times: Times,
    threads_left: int | None,
) -> Outcome:
    """Compute the figures of a fault, and compare them with what it is allowed to do."""
    reached = _reached(fault, installation)
    before = [each for each in record.attempts if each.ended < times.begun]
    since = [each for each in record.attempts if each.ended >= times.begun]
    recovery = _recovery(since, times)
    end = times.ended + (recovery or 0)
    others = [each for each in since if each.begun <= end and each.tenant not in reached]
    failed = [each for each in others if not each.is_served]
    if fault.may_break_connections:
        failed = [each for each in failed if each.status is not None]
    probes = [probe for probe in record.probes if probe.ended >= times.begun and probe.begun <= end]
    errors = Counter(
        f"{each.status or 'connection'} {each.cause}" for each in since if not each.is_served
    )
    outcome = Outcome(
        name=fault.name,
        what=fault.what,
        reach=fault.reach.value,
        requests=len(record.attempts),
        acknowledged=audit.acknowledged,
        lost=len(audit.lost),
        doubled=len(audit.doubled),
        foreign=len(audit.foreign),
        errors=dict(errors.most_common()),
        fault_seconds=times.ended - times.begun,
        recovery_seconds=recovery,
        p99_before_ms=_p99_ms(before) or 0.0,
        p99_others_ms=_p99_ms(others),
        others_failed=len(failed),
        others_slow=sum(each.is_served and each.seconds > SLOW_SECONDS for each in others),
        others_share=_share_of_others(record, reached, times),
        served_per_second=(
            _rate(before, times.load_begun, times.begun),
            _rate(since, times.begun, times.ended),
            _rate(since, times.ended, times.load_ended),
        ),
        livez_worst_seconds=max((probe.seconds for probe in probes), default=0.0),
        threads_left=threads_left,
    )
    dead = sum(not probe.is_live for probe in probes)
    if fault.may_break_connections:
        dead = sum(not probe.is_live and probe.seconds > LIVEZ_SECONDS for probe in probes)
    return replace(
        outcome,
        complaints=(
            *_complain(fault, outcome, dead),
            *_complain_about_answers(fault, since),
        ),
        delays=tuple(_find_delays(fault, outcome)),
    )


def _complain(fault: Fault, outcome: Outcome, dead: int) -> Iterable[str]:
    """Yield a sentence about each thing that was not allowed, however fast the machine is."""
    for name in ("lost", "doubled", "foreign"):
        if number := getattr(outcome, name):
            yield f"{number} writes {name}"
    if outcome.recovery_seconds is None:
        yield "not recovered by the end of the load"
    if outcome.threads_left:
        yield f"{outcome.threads_left} threads left behind"
    if outcome.others_failed:
        yield f"{outcome.others_failed} requests of others failed"
    if outcome.others_share is not None and outcome.others_share < LEAST_SHARE:
        yield f"others were served at {outcome.others_share:.0%} of their former rate"
    if fault.is_live and dead:
        yield f"/livez did not answer {dead} times"


def _find_delays(fault: Fault, outcome: Outcome) -> Iterable[str]:
    """Yield a sentence about each thing that took longer than allowed."""
    recovery, p99 = outcome.recovery_seconds, outcome.p99_others_ms
    if recovery is not None and recovery > fault.recovery_seconds:
        yield f"recovered after {recovery:.1f} s, not {fault.recovery_seconds:.0f}"
    if outcome.others_slow:
        yield f"{outcome.others_slow} requests of others took longer than {SLOW_SECONDS} s"
    limit = fault.p99_limit_ms or max(P99_FLOOR_MS, P99_FACTOR * outcome.p99_before_ms)
    if p99 is not None and outcome.p99_before_ms and p99 > limit:
        yield f"p99 of other tenants {p99:.0f} ms, above {limit:.0f}"
    if fault.is_live and outcome.livez_worst_seconds > LIVEZ_SECONDS:
        yield f"/livez took {outcome.livez_worst_seconds:.1f} s"


def _complain_about_answers(fault: Fault, since: list[Attempt]) -> Iterable[str]:
    statuses = Counter(each.status for each in since if each.status is not None)
    for status in (401, 500):
        if number := statuses[status]:
            yield f"{number} answers {status}"
    if number := sum(each.status == 503 and not each.says_when for each in since):
        yield f"{number} answers 503 without Retry-After"
    if number := sum(each.cause == "no problem" for each in since):
        yield f"{number} errors that are not problems"
    if fault.refusals:
        causes = {each.cause for each in since if not each.is_served}
        if strange := causes - fault.refusals:
            yield f"clients saw {', '.join(sorted(strange))}"


def _reached(fault: Fault, installation: Installation) -> frozenset[str]:
    """Return the slugs of the tenants whose requests may fail or wait."""
    return {
        Reach.NOBODY: frozenset[str](),
        Reach.ONE: frozenset({VICTIM}),
        Reach.FIRST_SERVER: installation.on(FIRST),
        Reach.SECOND_SERVER: installation.on(SECOND),
        Reach.EVERYONE: frozenset(tenant.slug for tenant in installation.tenants),
    }[fault.reach]


def _recovery(since: list[Attempt], times: Times) -> float | None:
    """Return the seconds from the fault's end to the last bad attempt's end.

    None if every client's last attempt is bad, or a tenant has no good attempt after its last bad
    one.
    """
    bad = [each for each in since if not each.is_served or each.seconds > SLOW_SECONDS]
    for tenant in {each.tenant for each in bad}:
        last_bad = max(each.ended for each in bad if each.tenant == tenant)
        if not any(
            each.begun > last_bad and each.is_served for each in since if each.tenant == tenant
        ):
            return None
    return max(0.0, max((each.ended for each in bad), default=0.0) - times.ended)


def _share_of_others(record: Record, reached: frozenset[str], times: Times) -> float | None:
    """Return the rate of the other tenants during the fault, as a part of the rate before."""
    others = [each for each in record.attempts if each.tenant not in reached]
    before = _rate(others, times.load_begun, times.begun)
    during = _rate(others, times.begun, times.ended)
    return during / before if before and during is not None else None


def _p99_ms(attempts: list[Attempt]) -> float | None:
    seconds = sorted(each.seconds for each in attempts)
    return seconds[int(len(seconds) * 0.99)] * 1000 if seconds else None


def _rate(attempts: list[Attempt], begun: float, ended: float) -> float | None:
    """Return how many were served per second, or None if the time is too short to tell."""
    if ended - begun < SHORTEST_SECONDS:
        return None
    served = sum(begun <= each.ended < ended and each.is_served for each in attempts)
    return served / (ended - begun)
