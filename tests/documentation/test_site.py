"""The documentation's site is complete, has no broken link, and needs nothing of the network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.docs_site.__main__ import main
from tools.docs_site.indentation import indent_lists
from trially.config import ROOT

FOLDER = ROOT / "tools" / "docs_site"
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name != "plan.md")
_LOADED = re.compile(r"<(?:script|img|iframe|link|source)\b[^>]*?\b(?:src|href)=[\"']?([^\"'\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A broken link is an error."""
    site = tmp_path_factory.mktemp("guide") / "site"
    assert main(site) == 0
    return site


def test_every_page_is_in_the_site(site: Path) -> None:
    for page in PAGES:
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        built = name.with_name("index.html") if page.stem == "README" else name
        assert (site / built).exists(), name
    assert (site / "repository" / "SECURITY.html").exists()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert pages
    for page in pages:
        text = page.read_text("utf-8")
        for source in _LOADED.findall(text):
            assert not re.match(r"(\w+:)?//", source), f"{page.name} loads {source}"
            assert source.startswith("data:") or (page.parent / source.split("?")[0]).exists(), (
                source
            )
        for tracker in ("googleapis", "google-analytics", "googletagmanager", "gtag("):
            assert tracker not in text


def test_search_finds_pages_without_a_server(site: Path) -> None:
    assert "Glossary" in (site / "search" / "search_index.js").read_text("utf-8")


@pytest.mark.skipif(shutil.which("node") is None, reason="There is no Node.js here.")
def test_diagrams_are_drawn_by_a_script_of_the_site(site: Path) -> None:
    assert (site / "assets" / "mermaid.js").exists()
    checked = subprocess.run(
        ["node", "check-diagrams.cjs", *map(str, PAGES)],
        cwd=FOLDER, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert int(checked.stdout.split()[0]) >= 12


@pytest.mark.skipif(shutil.which("node") is None, reason="There is no Node.js here.")
def test_an_invalid_diagram_is_noticed(site: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```mermaid\nflowchart LR\n  a --> b[(x@0)]\n```\n")
    command = ["node", "check-diagrams.cjs", str(page)]
    assert subprocess.run(command, cwd=FOLDER, capture_output=True, check=False).returncode == 1


def test_a_broken_link_fails(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    shutil.copytree(ROOT / "tools", repository / "tools", ignore=ignored)
    shutil.copytree(ROOT / "docs", repository / "docs")
    (repository / "docs" / "glossary.md").write_text("# Glossary\n\n[away](nowhere.md)\n")
    script = "import sys; from tools.docs_site.__main__ import _build; from pathlib import Path"
    built = subprocess.run(
        [sys.executable, "-c", f"{script}; sys.exit(_build(Path('site')))"],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 1
    assert "nowhere.md" in built.stdout + built.stderr


@pytest.mark.parametrize(
    ("written", "indented"),
    [
        ("- a\n  b\n\n  c\n", "- a\n    b\n\n    c\n"),
        ("1. a\n\n   ```\n   b\n     c\n   ```\n", "1. a\n\n    ```\n    b\n      c\n    ```\n"),
        ("- a\n  - b\n    - c\n- d\n", "- a\n    - b\n        - c\n- d\n"),
        ("text\n- a\n", "text\n\n- a\n"),
        ("- a\n\ntext\n", "- a\n\ntext\n"),
        ("```\n- a\n  b\n```\n", "```\n- a\n  b\n```\n"),
        ("10. a\n    b\n", "10. a\n    b\n"),
    ],
)  # fmt: skip
def test_lists_are_indented_for_python_markdown(written: str, indented: str) -> None:
    assert indent_lists(written) == indented
