"""How gunicorn serves trially: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`.

The first process imports nothing of trially: new workers, after a HUP too, bring the code that is
there when they start.
"""

import os
import shutil
import signal
import sys
import tempfile
from typing import Any

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
control_socket_disable = True

timeout = 60
"""Seconds without a sign of life of a worker; a long request in a thread is no lack of it."""
graceful_timeout = 30
keepalive = 75
"""Longer than load balancers keep a connection, so that they close it and not we."""

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 16_380
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")

accesslog = None
"""Workers log requests by their route; gunicorn would log URLs."""
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "foreign_pre_chain": [],
            "processors": [],
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}


def _describe_logs() -> None:
    import structlog

    formatter: dict[str, Any] = logconfig_dict["formatters"]["json"]  # type: ignore[index]
    formatter["foreign_pre_chain"] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
    ]
    formatter["processors"] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(),
    ]


_describe_logs()


def on_starting(server: Any) -> None:
    """Make the folder in which workers count, for this user alone."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        server.metrics_folder = tempfile.mkdtemp(prefix="trially-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = server.metrics_folder


def on_exit(server: Any) -> None:
    """Remove it."""
    if folder := getattr(server, "metrics_folder", None):
        shutil.rmtree(folder, ignore_errors=True)


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Log as trially does, before the app is made."""
    from trially.config import SettingsError, read_settings
    from trially.observability import logs

    try:
        logs.configure(level=read_settings().log_level)
    except SettingsError as error:
        server.log.critical("trially cannot start. %s", error)
        sys.exit(server.WORKER_BOOT_ERROR)


def post_worker_init(worker: Any) -> None:  # noqa: ARG001
    """Have a worker that is told to end say so at /readyz while it finishes what it has begun."""
    from trially import health

    finish = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: Any) -> None:
        health.start_draining()
        if callable(finish):
            finish(number, frame)

    signal.signal(signal.SIGTERM, drain)


def worker_int(worker: Any) -> None:  # noqa: ARG001
    """Do likewise when it is interrupted."""
    from trially import health

    health.start_draining()


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Count a worker's connections no more once it is gone."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
