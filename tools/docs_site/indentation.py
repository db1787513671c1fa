"""Indents the content of lists by four spaces, as Python-Markdown demands.

GitHub and editors follow CommonMark: what belongs to an item begins below the item's text, after two
or three spaces. Python-Markdown, which MkDocs uses, would end the list there.
"""

import re

WIDTH = 4
_ITEM = re.compile(r"(?P<before> {0,3})(?P<marker>[-*+]|\d{1,9}[.)])(?P<space> +)(?=\S)")
_FENCE = re.compile(r" {0,3}(?P<ticks>`{3,}|~{3,})")


def indent_lists(markdown: str) -> str:
    """Return the Markdown with list contents indented for Python-Markdown."""
    columns: list[int] = []
    """Where the text of each open item begins."""
    written: list[str] = []
    fence = ""
    for line in markdown.splitlines():
        if not line.strip():
            written.append("")
            continue
        indent = len(line) - len(line.lstrip(" "))
        while not fence and columns and indent < columns[-1]:
            columns.pop()
        depth = len(columns)
        body = line[columns[-1] :] if columns else line
        item = None if fence else _ITEM.match(body)
        if item and not depth and written and _is_text(written[-1]):
            written.append("")  # Python-Markdown finds no list right below a paragraph.
        written.append(" " * WIDTH * depth + body)
        fence = _fence_after(fence, body)
        if item:
            columns.append((columns[-1] if columns else 0) + item.end())
    return "\n".join(written) + "\n"


def _is_text(line: str) -> bool:
    return bool(line) and not line.startswith(" ") and not _ITEM.match(line)


def _fence_after(fence: str, body: str) -> str:
    """Return the fence that is open after this line, or nothing."""
    if fence:
        return "" if body.strip() == fence else fence
    found = _FENCE.match(body)
    return found["ticks"] if found else ""
