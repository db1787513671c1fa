"""MkDocs hooks: the site has the pages of docs/, and the files of the repository that they link to.

The pages are written for the repository, where a link leads to any file. On the site, files outside
of docs/ are below `repository/`.
"""

import logging
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.docs_site.indentation import indent_lists

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
REPOSITORY = "repository"
DECISIONS = "decisions/README.md"
SCRIPTS = {
    "mermaid": Path("@mermaid-js/tiny/dist/mermaid.tiny.js"),
    "iframe-worker": Path("iframe-worker/shim/index.js"),
}
"""Scripts of npm packages: diagrams, and search if the site is opened without a server."""

_FENCED = re.compile(r"(^ *(?:```|~~~).*?^ *(?:```|~~~)\s*?$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_log = logging.getLogger("mkdocs.hooks.links")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the decisions and pages without a place to the menu, and the scripts."""
    pages = {path.name for path in (ROOT / DOCS).glob("*.md")} - {"plan.md"}
    further = sorted(pages - set(_pages_of(config.nav)))
    decisions = [DECISIONS, *(f"decisions/{path.name}" for path in _decisions())]
    sections = [{"Further pages": further}] if further else []
    config.nav = [*(config.nav or []), *sections, {"Decisions": decisions}]
    config.extra["polyfills"] = ["assets/iframe-worker.js"]
    if _script("mermaid").exists():
        config.extra_javascript.append("assets/mermaid.js")
    else:
        _log.info("Diagrams stay text, because npm has not installed tools/docs_site.")
        config.mdx_configs["pymdownx.superfences"] = {}
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the scripts, and the files of the repository that pages link to."""
    for name in SCRIPTS:
        if _script(name).exists():
            content = _script(name).read_bytes()
            files.append(File.generated(config, f"assets/{name}.js", content=content))
    files.append(File.generated(config, DECISIONS, content=_list_decisions()))
    pages = [f"{DOCS}/{file.src_uri}" for file in files.documentation_pages()]
    pages.remove(f"{DOCS}/{DECISIONS}")
    found: set[str] = set()
    while pages:
        page = pages.pop()
        for target in _targets(page):
            content = _read(target)
            if target.startswith(f"{DOCS}/") or target in found or content is None:
                continue
            found.add(target)
            files.append(File.generated(config, f"{REPOSITORY}/{target}", content=content))
            if target.endswith(".md") and (ROOT / target).exists():
                pages.append(target)
    return files


def on_page_markdown(markdown: str, *, page: Page, **_event: object) -> str:
    """Let the links of a page lead to the pages of the site."""
    source = page.file.src_uri
    of_repository = source.removeprefix(f"{REPOSITORY}/")
    repository_path = of_repository if of_repository != source else f"{DOCS}/{source}"

    def replace(link: re.Match[str]) -> str:
        uri = _site_uri(_resolve(repository_path, link["path"]))
        return os.path.relpath(uri, posixpath.dirname(source) or ".") + (link["anchor"] or "")

    linked = "".join(
        part if part.lstrip().startswith(("```", "~~~")) else _LINK.sub(replace, part)
        for part in _FENCED.split(markdown)
    )
    return indent_lists(linked)


def _pages_of(nav: Any) -> Iterator[str]:
    """Yield the pages of a menu and of its sections."""
    if isinstance(nav, str):
        yield nav
    for entry in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _pages_of(entry)


def _script(name: str) -> Path:
    return Path(__file__).with_name("node_modules") / SCRIPTS[name]


def _decisions() -> list[Path]:
    return sorted((ROOT / DOCS / "decisions").glob("[0-9]*.md"))


def _list_decisions() -> str:
    """Return the page that lists the decisions by their titles."""
    titles = [path.read_text("utf-8").partition("\n")[0].lstrip("# ") for path in _decisions()]
    lines = [f"- [{title}]({path.name})" for title, path in zip(titles, _decisions(), strict=True)]
    return "\n".join(["# Decisions", "", *lines, ""])


def _targets(page: str) -> Iterator[str]:
    """Yield the files of the repository that a page links to."""
    text = _FENCED.sub("", (ROOT / page).read_text("utf-8"))
    for link in _LINK.finditer(text):
        yield _resolve(page, link["path"])


def _read(path: str) -> bytes | None:
    """Return the content of a file of the repository; of a folder without README.md, a list."""
    file = ROOT / path
    if file.is_file():
        return file.read_bytes()
    if file.name != "README.md" or not file.parent.is_dir():
        return None
    names = sorted(entry.name for entry in file.parent.iterdir() if entry.name[0] not in "._")
    lines = [f"- `{name}`" for name in names if name != "node_modules"]
    return "\n".join([f"# {file.parent.relative_to(ROOT)}", "", *lines, ""]).encode()


def _resolve(page: str, link: str) -> str:
    """Return the path of a link's target in the repository; of a folder, its README.md."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    return f"{path}/README.md" if (ROOT / path).is_dir() else path


def _site_uri(path: str) -> str:
    """Return the place of a file of the repository in the site's sources."""
    return path.removeprefix(f"{DOCS}/") if path.startswith(f"{DOCS}/") else f"{REPOSITORY}/{path}"
