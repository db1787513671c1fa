"""Render the metrics of all of gunicorn's workers, in Prometheus' format.

Each worker writes to files in the folder `PROMETHEUS_MULTIPROC_DIR`, so any of them can render the
metrics of all.
"""

import os
from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Metric
from prometheus_client import generate_latest as to_text
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from trially.observability.tenant_labels import NO_TENANT, OTHER

_LABELLED = "trially_tenant_labelled"


def render() -> tuple[bytes, str]:
    """Return the metrics of all workers as text, and the content type."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return to_text(_OfLabelledTenants(registry)), CONTENT_TYPE_LATEST


class _OfLabelledTenants(Collector):
    """The metrics of a registry, without those of tenants that have lost their label."""

    def __init__(self, registry: Collector) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        families = list(self._registry.collect())
        shown = {OTHER, NO_TENANT, *_labelled(families)}
        for family in families:
            family.samples = [
                each for each in family.samples if each.labels.get("tenant", OTHER) in shown
            ]
            yield family


def _labelled(families: Iterable[Metric]) -> Iterator[str]:
    for family in families:
        if family.name == _LABELLED:
            yield from (each.labels["tenant"] for each in family.samples if each.value)
