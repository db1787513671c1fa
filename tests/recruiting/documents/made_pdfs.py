"""PDFs made for tests: text on pages, without a library that writes PDFs."""

import io
import zlib
from collections.abc import Sequence

from pypdf import PdfReader, PdfWriter


def make_pdf(*pages: str, compressed: bool = False) -> bytes:
    """Return a PDF with one line of text on each page."""
    streams = [b"BT /F1 12 Tf 72 720 Td (%s) Tj ET" % page.encode("cp1252") for page in pages]
    return pdf_of_streams(
        [zlib.compress(each) if compressed else each for each in streams], compressed
    )


def pdf_of_streams(streams: Sequence[bytes], compressed: bool = False) -> bytes:
    """Return a PDF whose pages have these contents."""
    count = len(streams)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [ %s ] /Count %d >>" % (kids, count),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    filtered = b"/Filter /FlateDecode " if compressed else b""
    for number, stream in enumerate(streams):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * number)
        )
        objects.append(
            b"<< %s/Length %d >>\nstream\n%s\nendstream" % (filtered, len(stream), stream)
        )
    file = io.BytesIO(b"%PDF-1.4\n")
    file.seek(0, io.SEEK_END)
    positions = []
    for number, content in enumerate(objects, 1):
        positions.append(file.tell())
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for position in positions:
        file.write(b"%010d 00000 n \n" % position)
    file.write(
        b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
    )
    return file.getvalue()


def encrypt(pdf: bytes, password: str) -> bytes:
    """Return a PDF that needs a password."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()
