"""The dossier as a PDF. It is drawn from the signed JSON alone, which is attached to it."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from anyascii import anyascii
from fpdf import FPDF

from trially.dossier.picture import draw_placement
from trially.terminal import plural

ATTACHED = "dossier.json"
"""Name of the signed JSON within the PDF."""

SIGNED = "dossier"
"""Name of the content in the signed JSON."""

_LATIN_1 = 255
SHOWN_ROWS = 40


def to_pdf(document: Mapping[str, Any]) -> bytes:
    """Return a signed dossier as a PDF. The same dossier makes the same pages.

    The standard fonts of PDF have Latin letters only. Others are transliterated; the attached JSON
    has them as they are.
    """
    content, signature = document[SIGNED], document["signature"]
    page = _new_document(content)
    page.heading(f"Dossier of {content['tenant']['name']}", size=18)
    page.paragraph(
        f"Tenant {content['tenant']['slug']}, {content['tenant']['id']}. Made at"
        f" {content['made_at']} by trially {content['version']}. Counts of accesses are of the time"
        f" since {content['since']}."
    )
    for write in (
        _write_placement,
        _write_attacks,
        _write_accesses,
        _write_audit,
        _write_backups,
        _write_keys,
        _write_erasure,
    ):
        write(page, content)
    page.heading("Signature")
    attached = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    page.paragraph(
        f"The file {ATTACHED} is attached to this PDF, and signed with {signature['algorithm']}."
        f" `flask tenants dossier --verify FILE` verifies both. Its SHA-256 is"
        f" {hashlib.sha256(attached).hexdigest()}, the public key {signature['public_key']}."
    )
    page.embed_file(bytes=attached, basename=ATTACHED, desc="The signed dossier")
    return bytes(page.output())


class Pages(FPDF):
    """A document with headings, paragraphs and tables, and a line at the foot of each page."""

    foot = ""

    def footer(self) -> None:
        """Write the foot of a page."""
        self.set_y(-12)
        self.set_font(size=8)
        self.cell(0, 5, f"{self.foot}, page {self.page_no()}", align="C")

    def heading(self, text: str, size: int = 13) -> None:
        """Write a heading."""
        self.ln(3)
        self.set_font(style="B", size=size)
        self.multi_cell(0, 8, plain(text), new_x="LMARGIN", new_y="NEXT")
        self.set_font(style="", size=9)

    def paragraph(self, text: str) -> None:
        """Write a paragraph."""
        self.set_font(style="", size=9)
        self.multi_cell(0, 5, plain(text), align="L", new_x="LMARGIN", new_y="NEXT")
        self.ln(1)

    def rows(self, widths: Mapping[str, int], rows: Sequence[Sequence[Any]]) -> None:
        """Write a table, or say that it is empty. `widths` are shares of the page by title."""
        if not rows:
            self.paragraph("None.")
            return
        self.set_font(style="", size=8)
        self.set_fill_color(255)
        with self.table(
            col_widths=tuple(widths.values()), text_align="LEFT", line_height=4.5
        ) as table:
            for cells in (tuple(widths), *rows[:SHOWN_ROWS]):
                table.row([plain(_shown(cell)) for cell in cells])
        if len(rows) > SHOWN_ROWS:
            self.paragraph(f"{len(rows) - SHOWN_ROWS} more are in {ATTACHED}.")
        self.ln(2)


def plain(text: str) -> str:
    """Return a text in Latin letters, as the fonts have them."""
    return "".join(each if ord(each) <= _LATIN_1 else anyascii(each) for each in text)


def _new_document(content: Mapping[str, Any]) -> Pages:
    page = Pages(format="A4")
    page.set_creation_date(dt.datetime.fromisoformat(content["made_at"]))
    page.set_title(plain(f"Dossier of {content['tenant']['slug']}"))
    page.set_creator(f"trially {content['version']}")
    page.foot = plain(f"Dossier of {content['tenant']['slug']}, {content['made_at']}")
    page.set_auto_page_break(auto=True, margin=18)
    page.add_page()
    page.set_font("Helvetica", size=9)
    return page


def _write_placement(page: Pages, content: Mapping[str, Any]) -> None:
    placement = content["placement"]
    page.heading("Where the rows are")
    draw_placement(page, placement, plain(content["tenant"]["slug"]))
    for wall in placement["walls"]:
        page.paragraph(f"- {wall}")
    filled = [each for each in placement["tables"] if each["rows"]]
    page.rows({"Table": 4, "Rows": 1}, [(each["table"], each["rows"]) for each in filled])
    for former in placement["former"]:
        page.paragraph(
            f"A former placement, {former['tier']} on {former['server']}, is kept until"
            f" {former['kept_until']}."
        )


def _write_attacks(page: Pages, content: Mapping[str, Any]) -> None:
    attacks = content["attacks"]
    page.heading("Attacks as other tenants, made for this dossier")
    reason = f" {attacks['reason']}." if attacks["reason"] else ""
    page.paragraph(
        f"Result: {attacks['state']}.{reason} {plural(attacks['tables_swept'], 'table')} attacked"
        f" for {plural(attacks['pairs_swept'], 'pair')} of tenants, and single paths by"
        f" {plural(attacks['attackers'], 'other tenant')}."
    )
    outcomes = ("held", "documented limit", "breached", "inconclusive")
    page.rows(
        {"Path": 5, **dict.fromkeys(outcomes, 2), "Walls": 6},
        [
            (each["path"], *(each[outcome] for outcome in outcomes), ", ".join(each["walls"]))
            for each in attacks["paths"]
        ],
    )


def _write_accesses(page: Pages, content: Mapping[str, Any]) -> None:
    page.heading("Who saw whom")
    page.rows(
        {"Who": 5, "Role": 2, "Kind": 2, "Requests": 2, "Patients": 2},
        [
            (_who(each), each["role"], each["action"], each["requests"], each["patients"])
            for each in content["accesses"]
        ],
    )


def _write_audit(page: Pages, content: Mapping[str, Any]) -> None:
    page.heading("Audit log")
    for sentence in content["audit"]["sentences"]:
        page.paragraph(sentence)


def _write_backups(page: Pages, content: Mapping[str, Any]) -> None:
    backups = content["backups"]
    page.heading("Archives and restores")
    page.paragraph(f"{plural(backups['archives'], 'archive')} of this tenant.")
    for title, archive in (
        ("The newest", backups["newest"]),
        ("The last that was restored for a test", backups["last_verified"]),
    ):
        if archive is None:
            page.paragraph(f"{title}: none.")
        else:
            page.paragraph(
                f"{title}: {archive['archive']}, of {archive['snapshot_at']}, {archive['rows']:,}"
                f" rows, SHA-256 {archive['sha256']}. {_restored(archive)}"
            )


def _restored(archive: Mapping[str, Any]) -> str:
    if archive["verified_at"] is None:
        return "It was not restored for a test."
    return f"Restored at {archive['verified_at']}: {archive['result']}."


def _write_keys(page: Pages, content: Mapping[str, Any]) -> None:
    page.heading("Data keys")
    page.paragraph(f"The fields that identify patients are {content['fields']}.")
    page.rows(
        {"Version": 1, "Created": 3, "Wrapped by": 2, "Wrapped at": 3, "Destroyed": 3},
        [
            (
                key["version"],
                key["created_at"],
                key["wrapped_by"],
                key["wrapped_at"],
                key["destroyed_at"],
            )
            for key in content["data_keys"]
        ],
    )


def _write_erasure(page: Pages, content: Mapping[str, Any]) -> None:
    erasure = content["erasure"]
    page.heading("What an erasure would remove")
    if erasure["legal_hold"]:
        page.paragraph(f"A legal hold forbids it: {erasure['legal_hold']}")
    if erasure["erase_after"]:
        page.paragraph(f"The tenant will be erased after {erasure['erase_after']}.")
    page.rows(
        {"Store": 6, "Holds": 2, "May remain because": 6},
        [
            (each["store"], f"{each['count']:,} {each['unit']}", each["remains"])
            for each in erasure["stores"]
            if each["count"]
        ],
    )


def _who(access: Mapping[str, Any]) -> str:
    if access["operator"]:
        return f"{access['operator']} (operator of trially)"
    return access["name"] or access["member"] or "trially (automatic)"


def _shown(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
