"""Why a document has no text, or only a part of it."""

from enum import StrEnum


class TextProblem(StrEnum):
    """Why the text of a document is missing or not complete."""

    BROKEN_BASE64 = "broken_base64"
    EMPTY = "empty"
    ENCRYPTED = "encrypted"
    NO_TEXT = "no_text"
    NOT_IN_IMPORT = "not_in_import"
    NOT_TEXT = "not_text"
    TOO_LONG = "too_long"
    TOO_MANY_PAGES = "too_many_pages"
    TOO_MANY_PARTS = "too_many_parts"
    TOO_MUCH_MEMORY = "too_much_memory"
    TOO_SLOW = "too_slow"
    UNREADABLE = "unreadable"
    UNSUPPORTED_TYPE = "unsupported_type"
    URL_NOT_FETCHED = "url_not_fetched"
    USED_TOO_OFTEN = "used_too_often"


MOST_SECONDS = 20.0
"""Time in which the text of one resource is extracted."""

MOST_SECONDS_OF_PAGE = 5.0
MOST_IDLE_SECONDS = 60.0
"""A worker that has had nothing to do for that long ends."""

MOST_PAGES = 2_000
"""Pages of a PDF that are read."""

MOST_CHARACTERS = 1_000_000
"""Characters of the text of one resource."""

MOST_CHARACTERS_OF_PAGE = 50_000
MOST_PARTS = 100
"""Attachments and narratives of one resource that are read."""

MOST_USES = 50
"""Documents that have the text of one Binary. A small upload could become very large otherwise."""

SENTENCES = {
    TextProblem.BROKEN_BASE64: "is not valid base64",
    TextProblem.EMPTY: "is empty",
    TextProblem.ENCRYPTED: "is a PDF that needs a password",
    TextProblem.NO_TEXT: "holds no text; it may be a scan, whose images are not read",
    TextProblem.NOT_IN_IMPORT: "refers to a Binary that is not in this import",
    TextProblem.NOT_TEXT: "is declared as text, and its bytes are not text",
    TextProblem.TOO_LONG: f"has more than {MOST_CHARACTERS:,} characters; the rest is not stored",
    TextProblem.TOO_MANY_PAGES: f"has more than {MOST_PAGES:,} pages; the rest is not stored",
    TextProblem.TOO_MANY_PARTS: f"is after the first {MOST_PARTS}; it is not stored",
    TextProblem.TOO_MUCH_MEMORY: "needs too much memory to be read",
    TextProblem.TOO_SLOW: "takes too long to be read; the pages read before are stored",
    TextProblem.UNREADABLE: "is damaged, or not of the format that it begins like",
    TextProblem.UNSUPPORTED_TYPE: "is not text, HTML, RTF, PDF or DOCX, so its text is not read",
    TextProblem.URL_NOT_FETCHED: "is not a Binary; its URL is not fetched",
    TextProblem.USED_TOO_OFTEN: f"refers to a Binary that {MOST_USES} other documents have",
}
"""How the sentence continues that begins with the element: `DocumentReference.content[0]`."""
