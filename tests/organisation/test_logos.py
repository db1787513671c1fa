"""Logos are encoded again, and nothing else that is sent is stored."""

from io import BytesIO

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from trially.http.problems import UnprocessableContent
from trially.organisation.branding.logos import STORED_PIXELS_A_SIDE, encode_logo

FORMATS = ("PNG", "JPEG", "WEBP")


def picture(name: str, size: tuple[int, int] = (40, 20), **options: object) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "#0b5d5b").save(file, name, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_keeps_its_format_and_size(name: str) -> None:
    encoded = encode_logo(picture(name), f"image/{name.lower()}")

    with Image.open(BytesIO(encoded)) as stored:
        assert (stored.format, stored.size) == (name, (40, 20))


@pytest.mark.parametrize("name", FORMATS)
def test_metadata_and_what_is_appended_are_gone(name: str) -> None:
    secret = b"<script>alert(1)</script>"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    sent = picture(name, exif=exif) + secret
    assert secret in sent

    assert secret not in encode_logo(sent, f"image/{name.lower()}")


def test_texts_of_a_png_are_gone() -> None:
    info = PngInfo()
    info.add_text("Comment", "made by Ada")

    assert b"made by Ada" not in encode_logo(picture("PNG", pnginfo=info), "image/png")


def test_transparency_stays() -> None:
    file = BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(file, "PNG")

    with Image.open(BytesIO(encode_logo(file.getvalue(), "image/png"))) as stored:
        assert stored.getpixel((0, 0))[3] == 0


def test_a_large_picture_becomes_smaller() -> None:
    encoded = encode_logo(picture("PNG", (2000, 1000)), "image/png")

    with Image.open(BytesIO(encoded)) as stored:
        assert stored.size[0] == STORED_PIXELS_A_SIDE


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", "image/png"),
        (b"not a picture", "image/png"),
        (picture("PNG")[:60], "image/png"),
        (picture("JPEG"), "image/png"),
        (picture("PNG"), "image/webp"),
        (picture("PNG", (3000, 10)), "image/png"),
        (b"<svg/>", "image/svg+xml"),
    ],
)
def test_what_is_no_picture_of_its_type_is_refused(content: bytes, media_type: str) -> None:
    with pytest.raises(UnprocessableContent):
        encode_logo(content, media_type)
