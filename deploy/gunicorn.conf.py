"""gunicorn's configuration: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`.

The master process imports nothing of trially. So each new worker, also after a SIGHUP, loads the
code that is installed when it starts.
"""

import os
import shutil
import signal
import sys
import tempfile
from typing import Any

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
worker_class = "serving.worker.Worker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
control_socket_disable = True
pidfile = os.environ.get("WEB_PIDFILE") or None
"""`flask deploy` finds the master by it."""

timeout = 60
"""Seconds without a heartbeat before a worker is killed; threads may run longer requests."""
graceful_timeout = 30
keepalive = 75
"""Longer than load balancers keep idle connections, so that the balancer closes them first."""

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 16_380
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")

forwarder_headers = ""
"""A proxy's SCRIPT_NAME and PATH_INFO change no path."""

accesslog = None
"""Off, because it logs URLs, which may hold PHI. Workers log requests by route instead."""
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
        # Libraries that are loaded before the app configures its own log.
        "alembic": {"level": "WARNING"},
    },
}


def _format_logs_as_json() -> None:
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


_format_logs_as_json()


def on_starting(server: Any) -> None:
    """Create a private folder for the workers' metrics."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        server.metrics_folder = tempfile.mkdtemp(prefix="trially-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = server.metrics_folder


def when_ready(server: Any) -> None:
    """Have workers replaced one at a time."""
    from serving.rolling import Supervisor

    Supervisor(server).install()


def pre_fork(server: Any, worker: Any) -> None:
    """Tell a worker whether it replaces one that still serves."""
    server.supervisor.prepare(worker)


def on_exit(server: Any) -> None:
    """Remove the folder of the workers' metrics."""
    if folder := getattr(server, "metrics_folder", None):
        shutil.rmtree(folder, ignore_errors=True)


def post_fork(server: Any, worker: Any) -> None:
    """Tell the app of a worker its number of threads, and configure logging."""
    server.supervisor.after_fork()
    os.environ["TRIALLY_THREADS"] = str(worker.cfg.threads)
    # Uploads never occupy more than half of the threads.
    os.environ.setdefault("TRIALLY_IMPORTS_PER_PROCESS", str(max(1, worker.cfg.threads // 2)))
    from trially.config import SettingsError, read_settings
    from trially.observability import logs

    try:
        logs.configure(level=read_settings().log_level)
    except SettingsError as error:
        server.log.critical("trially cannot start. %s", error)
        sys.exit(server.WORKER_BOOT_ERROR)


def post_worker_init(worker: Any) -> None:  # noqa: ARG001
    """On SIGTERM, make /readyz answer 503 while the worker finishes its requests."""
    from trially import health

    gunicorn_handler = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: Any) -> None:
        health.start_draining()
        if callable(gunicorn_handler):
            gunicorn_handler(number, frame)

    signal.signal(signal.SIGTERM, drain)


def worker_int(worker: Any) -> None:  # noqa: ARG001
    """Do the same on SIGINT and SIGQUIT."""
    from trially import health

    health.start_draining()


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Remove an ended worker's gauges from the metrics."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
