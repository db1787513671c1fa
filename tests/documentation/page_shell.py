"""Runs the commands of a page in one shell, as a reader who pastes them into one terminal."""

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Self
from uuid import uuid4

COMMAND_SECONDS = 120.0


class StuckCommandError(Exception):
    """A command did not end, or ended the shell."""


class PageShell:
    """A bash process whose variables, functions and folder last from command to command."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._mark = uuid4().hex
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit status, and what it printed on both outputs."""
        assert self._process.stdin
        # Commands read nothing of the shell's own input, which holds the next command.
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\n")
        self._process.stdin.write(f"printf '\\n{self._mark} %d\\n' $?\n")
        self._process.stdin.flush()
        printed: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=COMMAND_SECONDS)
            except Empty:
                raise StuckCommandError(f"{command}\ndid not end: {''.join(printed)}") from None
            if line is None:
                raise StuckCommandError(f"{command}\nended the shell: {''.join(printed)}")
            if line.startswith(self._mark):
                return int(line.split()[1]), "".join(printed)
            printed.append(line)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with suppress(ProcessLookupError):  # programs that the page left in the background
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.stdout.close()
