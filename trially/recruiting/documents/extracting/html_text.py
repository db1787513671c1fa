"""Turn HTML, and the narrative of CDA documents, into lines of text."""

import re
from html.parser import HTMLParser

_DROPPED = frozenset(
    ("head", "script", "style", "template", "noscript", "svg", "math", "object", "iframe")
)
_LINES = frozenset(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset "  # noqa: SIM905
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html item legend li list main nav "
    "ol option p paragraph pre section summary table tbody text tfoot thead title tr ul".split()
)
"""Elements that begin and end a line. `item`, `list`, `paragraph` and `text` are those of CDA."""

_CELLS = frozenset(("td", "th"))
_SPACE = re.compile(r"[^\S\n]+|\n")
_PRE_SPACE = re.compile(r"[ \t]+\n")


class _TextCollector(HTMLParser):
    """Collects the text of HTML. Structure becomes line feeds; cells of a row are kept apart."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._dropped: list[str] = []
        self._preformatted = 0

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        """Begin a line at elements that have one of their own."""
        if tag in _DROPPED:
            self._dropped.append(tag)
        elif tag == "br":
            self.pieces.append("\n")
        elif tag in _CELLS:
            self.pieces.append("\t")
        elif tag in _LINES:
            self.pieces.append("\n- " if tag in ("li", "item") else "\n")
            self._preformatted += tag == "pre"

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take an element that is closed at once: `<br/>`."""
        if tag not in _DROPPED:  # XHTML may close them at once: <script src="…"/>
            self.handle_starttag(tag, attributes)
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """End a line, or a dropped element with all in it."""
        if tag in _DROPPED:
            if tag in self._dropped:
                del self._dropped[self._dropped.index(tag) :]
        elif tag in _LINES:
            self.pieces.append("\n")
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        """Take text, with one space for white space unless it is preformatted."""
        if not self._dropped:
            self.pieces.append(data if self._preformatted else _SPACE.sub(" ", data))

    def unknown_decl(self, data: str) -> None:
        """Take the text of a CDATA section."""
        if data.startswith("CDATA["):
            self.handle_data(data.removeprefix("CDATA["))


def html_to_text(html: str) -> str:
    """Return the visible text of HTML, one line for each block."""
    collector = _TextCollector()
    collector.feed(html)
    collector.close()
    lines = (
        re.sub(r" *\t *", "\t", line).strip().replace("\t", " | ")
        for line in "".join(collector.pieces).replace("\xa0", " ").split("\n")
    )
    return "\n".join(line for line in lines if line not in ("", "-"))
