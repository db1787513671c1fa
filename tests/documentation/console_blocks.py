"""Reads the console blocks of Markdown pages: commands, and the output that a page shows.

A block is fenced as ```console, ```sh or ```bash. If a line of it begins with `$ `, such lines are
commands and all others are output; otherwise every line is a command. A comment in front of a block
says how a test treats it:

    <!-- not run: needs root -->     the commands cannot run in a test, for this reason
    <!-- exit status: 1 -->          the last command is expected to fail in this way
    <!-- before: export A=1 -->      a command that a test runs first; readers do not see it
    <!-- answer: yes -->             what a test types when a command asks; it is at a terminal then
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LANGUAGES = {"console", "sh", "bash", "shell", "shell-session"}
PROMPT = "$ "
_FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})\s*(?P<language>[\w-]*)")
_COMMENT = re.compile(
    r"^\s*<!-- (?P<key>not run|exit status|before|answer): (?P<value>.+?) -->\s*$"
)
_INCOMPLETE = ("unexpected end of file", "unexpected EOF", "delimited by end-of-file")


class InvalidBlockError(ValueError):
    """A block or its comment cannot be read."""


@dataclass
class Step:
    """A command, and the lines that the page shows as its output."""

    command: str
    output: list[str] = field(default_factory=list)


@dataclass
class Block:
    """A console block of a page."""

    page: str
    line: int
    steps: list[Step]
    not_run: str | None = None
    """Why a test cannot run the commands."""
    exit_status: int = 0
    before: list[str] = field(default_factory=list)
    answer: str | None = None

    @property
    def place(self) -> str:
        """Where the block is, such as `docs/tutorial.md:12`."""
        return f"{self.page}:{self.line}"


def read_blocks(path: Path, page: str) -> list[Block]:
    """Return the console blocks of a page, in order."""
    return list(_parse(path.read_text("utf-8").splitlines(), page))


def _parse(lines: list[str], page: str) -> Iterator[Block]:
    comments: list[tuple[str, str]] = []
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        comment, fence = _COMMENT.match(line), _FENCE.match(line)
        if comment:
            comments.append((comment["key"], comment["value"]))
        elif fence:
            body = _take_body(numbered, fence, f"{page}:{number}")
            if fence["language"] in LANGUAGES:
                yield _block(page, number, body, comments)
            elif comments:
                raise InvalidBlockError(f"{page}:{number}: a comment precedes no console block.")
            comments = []
        elif line.strip() and comments:
            raise InvalidBlockError(f"{page}:{number}: a comment precedes no console block.")


def _take_body(numbered: Iterator[tuple[int, str]], fence: re.Match[str], place: str) -> list[str]:
    body = []
    for _, line in numbered:
        if line.strip().startswith(fence["ticks"]):
            return body
        body.append(line.removeprefix(fence["indent"]))
    raise InvalidBlockError(f"{place}: the block does not end.")


def _block(page: str, number: int, body: list[str], comments: list[tuple[str, str]]) -> Block:
    block = Block(page, number, [])
    for key, value in comments:
        if key == "not run":
            block.not_run = value
        elif key == "exit status":
            block.exit_status = int(value)
        elif key == "answer":
            block.answer = value
        else:
            block.before.append(value)
    block.steps = list(_steps(body)) if block.not_run is None else []
    if block.not_run is None and not block.steps:
        raise InvalidBlockError(f"{block.place}: the block has no command.")
    return block


def _steps(body: list[str]) -> Iterator[Step]:
    has_prompts = any(line.startswith(PROMPT) for line in body)
    step: Step | None = None
    lines = iter(body)
    for line in lines:
        if has_prompts and not line.startswith(PROMPT):
            if step is None:
                raise InvalidBlockError(f"Output precedes the first command: {line}")
            step.output.append(line)
        elif line.strip():
            if step:
                yield step
            step = Step(_take_command(line.removeprefix(PROMPT) if has_prompts else line, lines))
    if step:
        yield step


def _take_command(first: str, lines: Iterator[str]) -> str:
    """Return a command with its further lines: after a backslash, in quotes, of a here-document."""
    command = first
    while _is_incomplete(command):
        following = next(lines, None)
        if following is None:
            raise InvalidBlockError(f"The command is incomplete: {command}")
        command = f"{command}\n{following}"
    return command


def _is_incomplete(command: str) -> bool:
    if command.endswith("\\"):
        return True
    if not re.search(r"<<|['\"(`{]|\b(do|then)\b", command):
        return False
    checked = subprocess.run(
        ["bash", "-n", "-c", command], capture_output=True, text=True, check=False
    )
    return any(sign in checked.stderr for sign in _INCOMPLETE)
