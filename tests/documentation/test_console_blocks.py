"""Every console block of README and docs/ runs in a throw-away copy of the repository."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from documentation.console_blocks import Block, Step, read_blocks
from documentation.loose_output import loosen, missing_lines
from documentation.page_shell import PageShell
from documentation.throwaway_clone import Clone, running_clone

from trially.config import ROOT

NOT_RUN = Path(__file__).with_name("not_run.txt")
ACTIVATION = ". .venv/bin/activate && export TRIALLY_DEVELOPMENT=1"
DEVELOPMENT_SERVER = "make run"
SERVER = "gunicorn"
IN_BACKGROUND = """\
{command} >../server.txt 2>&1 &
timeout 30 sh -c 'until curl -sf "http://127.0.0.1:$PORT/livez"; do sleep 0.1; done' ||
    {{ cat ../server.txt; false; }}"""

OF_DOCS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *OF_DOCS]
BLOCKS = {page: blocks for page in PAGES if (blocks := read_blocks(ROOT / page, page))}


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """The copy of the repository that all pages share."""
    with running_clone() as running:
        yield running


@pytest.mark.parametrize("page", [page for page in BLOCKS if any(b.steps for b in BLOCKS[page])])
def test_the_commands_of_a_page_run(clone: Clone, page: str) -> None:
    with PageShell(clone.folder, clone.environment) as shell:
        if not any(ACTIVATION in step.command for block in BLOCKS[page] for step in block.steps):
            shell.run(ACTIVATION)
        for block in BLOCKS[page]:
            for command in block.before:
                status, output = shell.run(clone.adapt(command))
                assert status == 0, f"{block.place}: {command}\n{output}"
            for step in block.steps:
                _run(step, block, clone, shell)


def test_blocks_that_do_not_run_are_listed() -> None:
    """not_run.txt lists them, so that a new one is a decision that a reviewer sees."""
    listed = NOT_RUN.read_text("utf-8").splitlines()
    found = [
        f"{block.page}: {block.not_run}"
        for blocks in BLOCKS.values()
        for block in blocks
        if block.not_run is not None
    ]
    assert listed == found, f"Change {NOT_RUN.name}, or let the block run."


def _run(step: Step, block: Block, clone: Clone, shell: PageShell) -> None:
    if step.command.startswith(DEVELOPMENT_SERVER):
        status, output = 0, clone.server_output.read_text()
    elif step.command.startswith(SERVER):
        status, output = shell.run(IN_BACKGROUND.format(command=step.command))
    else:
        status, output = shell.run(clone.adapt(step.command), block.answer)
    output = clone.restore(output)
    expected = block.exit_status if step is block.steps[-1] else 0
    assert status == expected, f"{block.place}: {step.command}\n{output}"
    missing = missing_lines(step.output, output)
    assert not missing, (
        f"{block.place}: {step.command}\nThe page shows lines that were not printed:\n"
        + "\n".join(missing)
        + "\nPrinted:\n"
        + "\n".join(loosen(line) for line in output.splitlines())
    )
