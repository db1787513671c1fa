"""Logos: what is accepted, and how each is encoded again, so that nothing else travels with it."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from trially.http.problems import UnprocessableContent

MOST_LOGO_BYTES = 512 << 10
MOST_PIXELS_A_SIDE = 2048
"""A larger picture is refused before it is decoded."""

STORED_PIXELS_A_SIDE = 1024
SVG_TYPE = "image/svg+xml"

_FILE = {"schema": {"type": "string", "format": "binary", "description": "The file itself."}}
MEDIA_TYPES: Mapping[str, Mapping[str, Any]] = {
    "image/png": _FILE,
    "image/jpeg": _FILE,
    "image/webp": _FILE,
    SVG_TYPE: {
        "schema": {"type": "string", "description": "The picture itself."},
        "example": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4"'
        ' cy="4" r="4" fill="#0b5d5b"/></svg>',
    },
}
"""The media types of a logo, each with its schema and example."""

_SAVED: Mapping[str, Mapping[str, Any]] = {
    "PNG": {"optimize": True},
    "JPEG": {"quality": 90, "optimize": True},
    "WEBP": {"quality": 90, "method": 4},
}


def encode_logo(content: bytes, media_type: str) -> bytes:
    """Return a logo of the same media type without metadata, animation or script.

    Raises `UnprocessableContent` for a file that is no picture of its media type, or too large.
    """
    encode: Callable[[bytes], bytes] = _encode_svg
    if media_type != SVG_TYPE:
        name = media_type.removeprefix("image/").upper()

        def encode(raw: bytes) -> bytes:
            return _encode_picture(raw, name)

    encoded = encode(content)
    if len(encoded) > MOST_LOGO_BYTES:
        raise _refused(f"The logo has more than {MOST_LOGO_BYTES} bytes once it is encoded.")
    return encoded


def _encode_svg(content: bytes) -> bytes:
    from trially.organisation.branding.svg import UnsafeSvgError, sanitise

    try:
        return sanitise(content)
    except UnsafeSvgError as error:
        raise _refused(str(error)) from error


def _encode_picture(content: bytes, name: str) -> bytes:
    from PIL import Image, ImageOps

    # What Pillow raises for files that are no pictures, or damaged ones.
    damaged = (OSError, ValueError, SyntaxError, EOFError, OverflowError)
    try:
        with Image.open(BytesIO(content), formats=[name]) as opened:
            if max(opened.size) > MOST_PIXELS_A_SIDE:
                raise _refused(
                    f"The picture is larger than {MOST_PIXELS_A_SIDE} pixels on one side."
                )
            picture = ImageOps.exif_transpose(opened)
            picture = picture.convert("RGB" if name == "JPEG" else "RGBA")
    except (*damaged, Image.DecompressionBombError) as error:
        raise _refused(f"The file is no {name} picture, or is damaged.") from error
    picture.thumbnail((STORED_PIXELS_A_SIDE, STORED_PIXELS_A_SIDE))
    bare = Image.new(picture.mode, picture.size)
    bare.paste(picture)
    encoded = BytesIO()
    bare.save(encoded, name, **_SAVED[name])
    return encoded.getvalue()


def _refused(detail: str) -> UnprocessableContent:
    return UnprocessableContent(detail, errors=[{"pointer": "", "detail": detail}])
