"""Choose the tenants whose requests are counted under their own id.

A monitoring system stores a series for each label, so the number of labels is limited. The tenants
with most requests of the last minutes are labelled with their id. All others share a label.

A count stays under the label that it was added to, so no count ever falls. A tenant that loses its
label keeps its counts, which `rendering` hides, and adds to them when it gets its label back.
"""

import heapq
import time
from collections.abc import Callable
from threading import Lock
from uuid import UUID

OTHER = "other"
NO_TENANT = "none"
DEFAULT_LIMIT = 100

PERIOD_SECONDS = 60.0
"""How often the tenants are ranked. A period counts half as much as the one after it."""

LEAD = 1.25
"""How many times as many requests a tenant needs to take the label of another one."""

LABELS_KEPT = 10
"""The files of a worker keep every label that it ever used: at most this many times the limit."""

_FORGOTTEN_BELOW = 0.5


def _tell_nobody(_label: str, _value: int) -> None:
    pass


class TenantLabels:
    """The labels of tenants in this process. Threads share an object."""

    def __init__(
        self,
        limit: int = DEFAULT_LIMIT,
        clock: Callable[[], float] = time.monotonic,
        announce: Callable[[str, int], None] = _tell_nobody,
    ) -> None:
        self._clock = clock
        self._announce = announce
        """Gets each id that becomes a label with 1, and each that is none any more with 0."""
        self._lock = Lock()
        self.configure(limit)

    def configure(self, limit: int) -> None:
        """Label at most `limit` tenants at a time with their id, and forget all requests so far."""
        self.limit = limit
        self._labels: dict[UUID, str] = {}
        self._used: dict[UUID, str] = {}
        """The labels that were ever used, because making one takes longer than a look-up."""
        self._requests: dict[UUID, int] = {}
        """Requests of this period."""
        self._scores: dict[UUID, float] = {}
        """Requests of the periods before."""
        self._rank_at = self._clock() + PERIOD_SECONDS

    def count_request(self, tenant_id: UUID | None) -> str:
        """Count a request for the ranking, and return the tenant's label."""
        if tenant_id is not None:
            # Two threads may lose a count, which a ranking can bear and a lock would cost.
            self._requests[tenant_id] = self._requests.get(tenant_id, 0) + 1
        return self.label_of(tenant_id)

    def label_of(self, tenant_id: UUID | None) -> str:
        """Return a tenant's label: its id, `other`, or `none` without a tenant."""
        if tenant_id is None:
            return NO_TENANT
        return self._labels.get(tenant_id) or self._label_of_new(tenant_id)

    def labelled(self) -> set[str]:
        """Return the ids that are labels now."""
        with self._lock:
            return set(self._labels.values())

    def rank_if_due(self) -> None:
        """Once in a period, give the labels to the tenants with most requests."""
        with self._lock:
            if self._clock() < self._rank_at:
                return
            self._rank_at = self._clock() + PERIOD_SECONDS
            before = set(self._labels.values())
            self._rank()
            after = set(self._labels.values())
            for label in before - after:
                self._announce(label, 0)
            for label in after - before:
                self._announce(label, 1)

    def _label_of_new(self, tenant_id: UUID) -> str:
        if len(self._labels) >= self.limit:
            return OTHER
        with self._lock:
            if len(self._labels) < self.limit and self._may_use(tenant_id):
                label = self._labels[tenant_id] = self._use(tenant_id)
                self._announce(label, 1)
                return label
        return OTHER

    def _rank(self) -> None:
        requests, self._requests = self._requests, {}
        scores = {tenant_id: score / 2 for tenant_id, score in self._scores.items()}
        for tenant_id, count in requests.copy().items():
            scores[tenant_id] = scores.get(tenant_id, 0) + count
        self._scores = {each: score for each, score in scores.items() if score > _FORGOTTEN_BELOW}
        # A tenant without requests keeps its label until another one needs it.
        candidates = filter(self._may_use, self._scores.keys() | self._labels.keys())
        busiest = heapq.nlargest(self.limit, candidates, key=self._rank_of)
        self._labels = {each: self._use(each) for each in busiest if self._may_use(each)}

    def _rank_of(self, tenant_id: UUID) -> float:
        return self._scores.get(tenant_id, 0) * (LEAD if tenant_id in self._labels else 1)

    def _may_use(self, tenant_id: UUID) -> bool:
        return tenant_id in self._used or len(self._used) < self.limit * LABELS_KEPT

    def _use(self, tenant_id: UUID) -> str:
        return self._used.setdefault(tenant_id, str(tenant_id))
