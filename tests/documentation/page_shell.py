"""Runs the commands of a page in one shell, as a reader who pastes them into one terminal."""

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Self
from uuid import uuid4

COMMAND_SECONDS = 120.0


class StuckCommandError(Exception):
    """A command did not end, or ended the shell."""


@contextmanager
def typing_terminal(answer: str) -> Iterator[tuple[str, list[str]]]:
    """Open a terminal where an answer is typed; yield its name, and the list of what it shows."""
    keyboard, terminal = pty.openpty()
    printed: list[str] = []

    def read() -> None:
        with suppress(OSError):  # the end of a terminal
            while shown := os.read(keyboard, 4096):
                printed.append(shown.decode())

    reading = threading.Thread(target=read)
    reading.start()
    os.write(keyboard, f"{answer}\n".encode())
    try:
        yield os.ttyname(terminal), printed
    finally:
        os.close(terminal)
        reading.join()
        os.close(keyboard)


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
            # A group, and no session: its leader would end with the first terminal that it opens.
            process_group=0,
        )
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, command: str, answer: str | None = None) -> tuple[int, str]:
        """Run a command; return its exit status, and what it printed on both outputs.

        With `answer`, its input and its errors are a terminal, where somebody types the answer.
        """
        if answer is None:
            # Commands read nothing of the shell's own input, which holds the next command.
            return self._run(command, "</dev/null")
        with typing_terminal(answer) as (name, printed):
            status, output = self._run(command, f"<{name} 2>{name}")
        return status, output + "".join(printed)

    def _run(self, command: str, redirection: str) -> tuple[int, str]:
        assert self._process.stdin
        self._process.stdin.write(f"{{ {command}\n}} {redirection}\n")
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
