"""Run a worker that kills itself at one point after the other of the same job.

Each point is a process of its own. The arguments are the points.
"""

import os
import sys
import time
from dataclasses import replace

import job_kinds

from trially import create_app
from trially.config import read_settings
from trially.jobs import worker
from trially.jobs.worker import Worker

LEASE_SECONDS = 0.3
run = worker.run_job

app = create_app(replace(read_settings(), job_lease_seconds=LEASE_SECONDS))
for point in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        os.environ["KILL_AT"] = point
        worker.run_job = lambda *arguments: (job_kinds._kill_at("claimed"), run(*arguments))[1]
        ends_at = time.monotonic() + 20
        while time.monotonic() < ends_at:
            Worker(app, threads=1).run_due()
            time.sleep(0.05)
        os._exit(3)
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"{point}: {os.waitstatus_to_exitcode(status)}\n")
    sys.stdout.flush()
