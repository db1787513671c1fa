"""Which tenants have a label of their own: the busiest, few at a time, and no count ever falls."""

from uuid import UUID, uuid4

import pytest

from trially.observability.tenant_labels import LABELS_KEPT, PERIOD_SECONDS, TenantLabels


class Ranked:
    """Labels with a clock that is set by hand."""

    def __init__(self, limit: int) -> None:
        self.now = 0.0
        self.announced: set[str] = set()
        self.ever: set[str] = set()
        self.labels = TenantLabels(limit, lambda: self.now, self.announce)

    def announce(self, label: str, value: int) -> None:
        (self.announced.add if value else self.announced.remove)(label)
        self.ever.add(label)

    def serve(self, **requests: int) -> None:
        """Let the tenants have so many requests, and the period end."""
        for name, count in requests.items():
            for _ in range(count):
                self.labels.count_request(TENANTS[name])
        self.now += PERIOD_SECONDS
        self.labels.rank_if_due()

    def labelled(self) -> set[str]:
        assert self.announced == self.labels.labelled()
        return {name for name, each in TENANTS.items() if str(each) in self.labels.labelled()}


TENANTS = {name: uuid4() for name in "abcd"}


@pytest.fixture
def ranked() -> Ranked:
    return Ranked(limit=2)


def test_the_first_tenants_have_a_label_at_once(ranked: Ranked) -> None:
    labels = [ranked.labels.count_request(TENANTS[name]) for name in "abca"]

    assert labels == [str(TENANTS["a"]), str(TENANTS["b"]), "other", str(TENANTS["a"])]
    assert ranked.labels.count_request(None) == "none"


def test_the_busiest_get_the_labels(ranked: Ranked) -> None:
    ranked.serve(a=1, b=10, c=20, d=3)

    assert ranked.labelled() == {"b", "c"}
    assert ranked.labels.label_of(TENANTS["a"]) == "other"


def test_a_label_stays_until_another_tenant_is_clearly_busier(ranked: Ranked) -> None:
    ranked.serve(a=100, b=100, c=110)
    assert ranked.labelled() == {"a", "b"}

    ranked.serve(a=100, b=10, c=110)
    assert ranked.labelled() == {"a", "c"}


def test_a_period_counts_half_of_the_next(ranked: Ranked) -> None:
    ranked.serve(a=100, b=100)
    ranked.serve(c=60, d=30)
    assert ranked.labelled() == {"a", "b"}

    ranked.serve(c=60, d=30)
    assert ranked.labelled() == {"c", "d"}


def test_tenants_are_ranked_once_in_a_period(ranked: Ranked) -> None:
    ranked.serve(a=1, b=1)
    for _ in range(100):
        ranked.labels.count_request(TENANTS["c"])

    ranked.labels.rank_if_due()
    assert ranked.labelled() == {"a", "b"}
    ranked.serve()
    assert "c" in ranked.labelled()


def test_without_requests_a_label_stays_until_it_is_needed(ranked: Ranked) -> None:
    ranked.serve(a=1, b=5)
    for _ in range(9):
        ranked.serve()
    assert ranked.labelled() == {"a", "b"}

    ranked.serve(b=1, c=1)
    assert ranked.labelled() == {"b", "c"}


def test_the_number_of_labels_is_limited_also_over_time() -> None:
    ranked = Ranked(limit=1)
    tenants = [UUID(int=number) for number in range(LABELS_KEPT + 4)]
    for number, tenant in enumerate(tenants):
        for _ in range(2**number):
            ranked.labels.count_request(tenant)
        ranked.serve()

    assert len(ranked.ever) == LABELS_KEPT
    assert ranked.labels.labelled() == {str(tenants[LABELS_KEPT - 1])}
    assert ranked.labels.label_of(tenants[-1]) == "other"


def test_without_labels_every_tenant_is_other() -> None:
    labels = TenantLabels(limit=0)

    assert labels.count_request(TENANTS["a"]) == "other"
    assert labels.labelled() == set()
