"""The anchors of a page's headings."""

import re


def anchors_of(page: str) -> set[str]:
    """Return the anchors of a Markdown page, as GitHub and the site write them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    }
