"""Programs whose children do something and kill themselves, one child for each line of input.

The app is made once. Its children inherit it, and so need not import and make it. It has no
connection and no thread yet, so nothing but memory is inherited.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Flask

from trially import create_app
from trially.config import read_settings


def die(*_arguments: Any, **_options: Any) -> None:
    """End this process as the kernel or a power cut would: nothing is closed or undone."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(work: Callable[..., object]) -> Callable[..., None]:
    """Return a function that does the work, and then ends this process."""

    def work_and_die(*arguments: Any, **options: Any) -> None:
        work(*arguments, **options)
        die()

    return work_and_die


def kill_children(run: Callable[[Flask, str], object], **changes: Any) -> None:
    """Call a function with the app and a line of input in one child after the other.

    The changes are settings. The program fails if a child does not kill itself.
    """
    app = create_app(replace(read_settings(), **changes))
    if threading.active_count() > 1:
        sys.exit("The app has threads, which its children would not have.")
    gc.freeze()  # Children need not look for garbage among what they inherit.
    for line in sys.stdin.read().splitlines():
        child = os.fork()
        if child == 0:
            with app.app_context():
                run(app, line)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{line} did not kill its process.")
