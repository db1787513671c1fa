"""The metrics that a worker serves."""

import socket
from dataclasses import replace
from http.client import HTTPConnection

import pytest

from trially.config import Settings
from trially.jobs.metrics_server import MetricsServerError, serving_metrics
from trially.observability.metrics import jobs_total

TOKEN = "a token of the metrics"


def get(port: int, path: str, token: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_worker_shows_its_outcomes_to_callers_with_the_token(settings: Settings) -> None:
    jobs_total.labels("shown_kind", "done").inc()
    served = replace(settings, worker_metrics="127.0.0.1:0", metrics_token=TOKEN)

    with serving_metrics(served) as port:
        assert port is not None
        status, body = get(port, "/metrics", TOKEN)
        assert get(port, "/metrics", "another token") == (401, "")
        assert get(port, "/other", TOKEN) == (404, "")

    assert status == 200
    assert 'trially_jobs_total{kind="shown_kind",outcome="done"}' in body


def test_settings_that_cannot_be_served(settings: Settings) -> None:
    with serving_metrics(replace(settings, worker_metrics="")) as port:
        assert port is None
    without = replace(settings, worker_metrics="127.0.0.1:0", metrics_token="")
    with pytest.raises(MetricsServerError, match="METRICS_TOKEN"), serving_metrics(without):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        served = replace(settings, worker_metrics=address, metrics_token=TOKEN)
        with pytest.raises(MetricsServerError, match="free port"), serving_metrics(served):
            pass
