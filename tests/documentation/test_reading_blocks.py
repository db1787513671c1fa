"""The test of console blocks would notice a page that is wrong."""

from pathlib import Path

import pytest
from documentation.console_blocks import Block, InvalidBlockError, read_blocks
from documentation.loose_output import missing_lines
from documentation.page_shell import PageShell


def blocks_of(folder: Path, text: str) -> list[Block]:
    page = folder / "page.md"
    page.write_text(text)
    return read_blocks(page, "page.md")


def test_lines_without_prompts_are_commands(tmp_path: Path) -> None:
    [block] = blocks_of(tmp_path, "```sh\nmake run  # serves\n\ncurl \\\n  -s x\n```\n")
    assert [step.command for step in block.steps] == ["make run  # serves", "curl \\\n  -s x"]


def test_lines_with_prompts_show_output(tmp_path: Path) -> None:
    text = "- item\n\n  ```console\n  $ cat <<END\n  a\n  END\n  a\n  $ true\n  ```\n"
    [block] = blocks_of(tmp_path, text)
    assert [(step.command, step.output) for step in block.steps] == [
        ("cat <<END\na\nEND", ["a"]),
        ("true", []),
    ]


@pytest.mark.parametrize("language", ["console", "sh", "bash", "shell", "shell-session"])
def test_every_name_of_the_shell_counts(tmp_path: Path, language: str) -> None:
    assert len(blocks_of(tmp_path, f"~~~{language}\ntrue\n~~~\n```json\n{{}}\n```\n")) == 1


def test_comments_change_how_a_block_is_treated(tmp_path: Path) -> None:
    text = "<!-- not run: needs root -->\n\n```sh\na\n```\n<!-- exit status: 3 -->\n```sh\nb\n```\n"
    first, second = blocks_of(tmp_path, text)
    assert (first.not_run, first.steps) == ("needs root", [])
    assert (second.not_run, second.exit_status) == (None, 3)


@pytest.mark.parametrize(
    "text",
    [
        "```sh\n```\n",
        "```sh\ntrue\n",
        "```sh\necho 'a\n```\n",
        "<!-- not run: needs root -->\ntext\n\n```sh\ntrue\n```\n",
        "<!-- not run: needs root -->\n```json\n{}\n```\n",
        "```sh\noutput\n$ true\n```\n",
    ],
)
def test_a_block_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidBlockError):
        blocks_of(tmp_path, text)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("Created acme (01a2…) in 4 ms.", "Created acme (01a2162c-51ce) in 312 ms."),
        ("id 01a2162c-51ce-7089-85ba-1b2cf713bc43", "id 01a2162c-0000-7089-85ba-1b2cf713bc43"),
        ("a   b", "a b   "),
        ("[{\"a\": 1}, …]", "[{\"a\": 2}, 3]"),
        ("2026-01-01T00:00:00Z", "2027-02-02T10:00:00.123Z"),
    ],
)  # fmt: skip
def test_output_is_compared_loosely(shown: str, printed: str) -> None:
    assert not missing_lines([shown], f"before\n{printed}\nafter")


def test_other_words_and_another_order_are_noticed() -> None:
    assert missing_lines(["Created acme."], "Created globex.")
    assert missing_lines(["b", "a"], "a\nb")


def test_a_shell_keeps_its_state_and_tells_the_status(tmp_path: Path) -> None:
    with PageShell(tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        assert shell.run("export A=1; cd /")[0] == 0
        assert shell.run("echo $A in $PWD # comment") == (0, "1 in /\n\n")
        assert shell.run("(exit 7)")[0] == 7
        assert shell.run("cat")[0] == 0


def test_a_command_that_asks_gets_the_answer_at_a_terminal(tmp_path: Path) -> None:
    asking = "test -t 0 && test -t 2 && read -r -p 'Sure? ' said && echo \"said $said\""
    with PageShell(tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        status, output = shell.run(asking, "yes")
        assert (status, "said yes" in output, "Sure?" in output) == (0, True, True)
        assert shell.run(asking)[0] == 1
