"""gunicorn's configuration for `plain_app`: workers are replaced as in deploy/gunicorn.conf.py."""

import os

from serving.rolling import Supervisor

worker_class = "serving.worker.Worker"
threads = 2
keepalive = 75
control_socket_disable = True
limit_request_fields = 64
forwarder_headers = ""
pidfile = os.environ.get("WEB_PIDFILE") or None


def when_ready(server):
    Supervisor(server).install()


def pre_fork(server, worker):
    server.supervisor.prepare(worker)


def post_fork(server, worker):
    server.supervisor.after_fork()
