"""Replace the escape sequences of HL7 v2.

The library hl7 can do this too, but it loses the text after an unclosed sequence, decodes
hexadecimal bytes one by one, and writes fields, which are PHI, into the log.
"""

import re

_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_SPACES = re.compile(r"\.sk\s*(\d{1,2})")
_LINES = re.compile(r"\.(?:br|ce)|\.sp\s*\+?\d{0,2}")
_INDENTS = re.compile(r"\.(?:in|ti)\s*[+-]?\d{0,2}|\.(?:fi|nf)")
_IGNORED = re.compile(r"[HN]|[CM](?:[0-9A-Fa-f]{2}){2,3}|Z\w*")


def unescape(text: str, separators: str, codec: str) -> str:
    """Return a text without escape sequences.

    `separators` are MSH-1 and MSH-2. Unknown sequences and single escape characters stay as they
    are.
    """
    escape = separators[3]
    if escape not in text:
        return text
    pattern = re.compile(re.escape(escape) + r"([^\r\n]*?)" + re.escape(escape))
    return pattern.sub(lambda match: _replace(match, separators, codec), text)


def _replace(match: re.Match[str], separators: str, codec: str) -> str:
    sequence = match.group(1)
    signs = dict(zip("FSRET", separators, strict=False))  # |^~\& stand for field, component, …
    if sequence in signs:
        return signs[sequence]
    if sequence == "P":
        return separators[5] if len(separators) > 5 else "#"
    if hexadecimal := _HEX.fullmatch(sequence):
        return bytes.fromhex(hexadecimal[1]).decode(codec, "replace")
    if spaces := _SPACES.fullmatch(sequence):
        return " " * int(spaces[1])
    if _LINES.fullmatch(sequence):
        return "\n"
    if _INDENTS.fullmatch(sequence) or _IGNORED.fullmatch(sequence):
        return ""
    return match.group()
