"""Read the metrics of tenants from a server's `/metrics`."""

import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from trially.config import current_settings
from trially.errors import OperatorError

TIMEOUT_SECONDS = 5
LARGEST_ANSWER = 32 << 20

_COUNTERS = {
    "trially_tenant_requests_total": "requests",
    "trially_tenant_waits_total": "waits",
    "trially_tenant_refusals_total": "refusals",
}
_BUSY = "trially_busy_threads"


class NoMetricsError(OperatorError):
    """A server's metrics cannot be read."""


@dataclass
class ServedMetrics:
    """Requests of tenants, by the tenant's id, as one server counts them in all its workers."""

    counters: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    threads: dict[str, float] = field(default_factory=dict)


def read_metrics(url: str) -> ServedMetrics:
    """Ask a server for its metrics. Raises `NoMetricsError`."""
    if not url.startswith(("http://", "https://")):
        raise NoMetricsError("The URL of the metrics must begin with http:// or https://.")
    token = current_settings().metrics_token
    if not token:
        raise NoMetricsError("TRIALLY_METRICS_TOKEN is not set, so the metrics cannot be read.")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with _opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
            text = answer.read(LARGEST_ANSWER).decode()
    except urllib.error.HTTPError as error:
        error.close()
        raise NoMetricsError(f"{url} did not answer with metrics ({error.code}).") from error
    except (OSError, ValueError) as error:
        raise NoMetricsError(
            f"{url} did not answer with metrics ({type(error).__name__})."
        ) from error
    return parse_metrics(text)


def parse_metrics(text: str) -> ServedMetrics:
    """Return the metrics of tenants from a text in Prometheus' format."""
    metrics = ServedMetrics()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            tenant = sample.labels.get("tenant")
            if tenant is None:
                continue
            if sample.name == _BUSY:
                metrics.threads[tenant] = metrics.threads.get(tenant, 0) + sample.value
            elif (name := _COUNTERS.get(sample.name)) is not None:
                counters = metrics.counters[tenant]
                counters[name] = counters.get(name, 0) + sample.value
    return metrics


def _opener() -> urllib.request.OpenerDirector:
    """Return what follows no redirect: another address must not get the token."""

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    return urllib.request.build_opener(NoRedirect)
