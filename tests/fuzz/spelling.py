"""Text as it can come in a header, and texts that are nearly another one."""

from string import ascii_letters, digits

from hypothesis import strategies as st

HEADER_TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60)
"""What a server may hand on of a header: Latin-1."""


@st.composite
def edits_of(draw: st.DrawFn, text: str) -> str:
    """Texts that differ from this one by one edit."""
    at = draw(st.integers(0, len(text) - 1) | st.just(len(text) - 1))
    other = draw(st.sampled_from(ascii_letters + digits + "-_.=~ +/\xe9"))
    edited = draw(
        st.sampled_from(
            [
                text[:at] + text[at + 1 :],
                text[:at] + other + text[at:],
                text[:at] + other + text[at + 1 :],
                text[:at] + text[at:].swapcase(),
                text[:at],
                text[at:] + text[:at],
            ]
        ).filter(lambda one: one not in {text, ""})
    )
    return str(edited)
