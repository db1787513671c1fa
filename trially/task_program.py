"""The program that carries out one task: `python -m trially.task_program TASK_ID ATTEMPT`.

A worker starts it. SIGINT interrupts the task, as it does a command. SIGTERM ends the process: the
task's lease expires, and another worker continues it.
"""

import os
import signal
import sys
from functools import partial
from uuid import UUID

from trially import create_app
from trially.observability import logs
from trially.platform.carrying_out import carry_out
from trially.state import state_of
from trially.tenancy.tasks.claiming import Claim


def main() -> None:
    """Carry out the task that the arguments name."""
    task_id, attempt = sys.argv[1:]
    app = create_app()
    logs.configure(level=state_of(app).settings.log_level, is_for_people=sys.stderr.isatty())
    with app.app_context():
        carry_out(Claim(UUID(task_id), int(attempt)), partial(os.kill, os.getpid(), signal.SIGINT))


if __name__ == "__main__":
    main()
