"""Rotate the master key in processes that kill themselves.

Run as a program; each line of input is a moment: `created`, before the first data key is wrapped
again, or `wrapped`, after two of them.
"""

import os
import signal
import sys

from trially import create_app
from trially.config import read_settings
from trially.tenancy.data_keys.rewrapping import begin_master_rotation


def main() -> None:
    for moment in sys.stdin.read().split():
        child = os.fork()
        if child == 0:
            with create_app(read_settings()).app_context(), begin_master_rotation() as rotation:
                wrapped = rotation.run()
                for _ in range(2 if moment == "wrapped" else 0):
                    next(wrapped)
                os.kill(os.getpid(), signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{moment} did not kill its process.")


if __name__ == "__main__":
    main()
