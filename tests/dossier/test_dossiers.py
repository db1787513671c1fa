"""The signed report for a customer: what it says, and that it names no other tenant."""

import io
import json

import pytest
from pypdf import PdfReader, PdfWriter

from trially.dossier.pages import plain, to_pdf
from trially.dossier.signed_files import sign

SHARED = {"dedicated-one": "database", "schema-one": "schema", "pooled-one": "tables"}


@pytest.fixture(scope="module")
def written(fleet, tmp_path_factory):
    """Write the dossiers of three tenants, one of each tier; return their folder."""
    folder = tmp_path_factory.mktemp("dossiers")
    for slug in SHARED:
        result = fleet.run("tenants", "dossier", slug, "--out", folder, "--attackers", "2")
        assert result.exit_code == 0, result.output
    return folder


def content_of(folder, slug):
    return json.loads((folder / f"{slug}-dossier.json").read_text())["dossier"]


@pytest.mark.parametrize("slug", SHARED)
def test_it_says_where_the_rows_are_and_what_held(written, slug):
    content = content_of(written, slug)
    placement = content["placement"]

    assert placement["shares"] == SHARED[slug]
    assert {"table": "site", "rows": 1} in placement["tables"]
    assert placement["neighbours"]["on_server"] == 5
    assert placement["neighbours"]["in_database"] == (0 if slug == "dedicated-one" else 1)
    assert content["attacks"]["state"] == "held"
    assert content["attacks"]["tables_swept"] > 20
    assert content["audit"]["is_intact"]
    assert content["data_keys"][0]["wrapped_by"] == "file"
    assert content["backups"]["archives"] == 0
    assert content["erasure"]["legal_hold"] is None
    assert {each["count"] for each in content["erasure"]["stores"]} > {0}


@pytest.mark.parametrize("slug", SHARED)
def test_it_names_no_other_tenant(written, fleet, slug):
    others = {each for each in fleet.tenants if each != slug}
    file = PdfReader(written / f"{slug}-dossier.pdf")
    texts = [
        (written / f"{slug}-dossier.json").read_text(),
        "".join(page.extract_text() for page in file.pages),
    ]

    for text in texts:
        assert slug in text
        for other in others:
            assert other not in text
            assert fleet.tenants[other].name not in text
            assert str(fleet.tenants[other].id) not in text


def test_it_counts_who_saw_whom(written, fleet):
    accesses = content_of(written, "pooled-one")["accesses"]

    assert accesses
    assert all(each["requests"] > 0 for each in accesses)
    assert all(each["patients"] == 0 for each in accesses)  # The tenant has no patients.


@pytest.mark.parametrize("suffix", ["json", "pdf"])
def test_a_genuine_one_is_verified(written, fleet, suffix):
    result = fleet.run("tenants", "dossier", "--verify", written / f"pooled-one-dossier.{suffix}")

    assert result.exit_code == 0, result.output
    assert "is genuine and unchanged" in result.output


def test_a_changed_one_is_refused(written, fleet, tmp_path):
    document = json.loads((written / "pooled-one-dossier.json").read_text())
    document["dossier"]["attacks"]["state"] = "broken"
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(document))
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(sign(document["dossier"], "another installation")))
    redrawn = tmp_path / "redrawn.pdf"
    pages = PdfWriter(clone_from=written / "pooled-one-dossier.pdf")
    contents = pages.pages[0].get_contents()
    contents.set_data(contents.get_data().replace(b"Result: held", b"Result: fine"))
    pages.pages[0].replace_contents(contents)
    pages.write(redrawn)

    for path in (changed, forged, redrawn):
        result = fleet.run("tenants", "dossier", "--verify", path)
        assert result.exit_code == 1, path


def test_letters_that_the_fonts_lack_are_transliterated(written):
    document = json.loads((written / "pooled-one-dossier.json").read_text())
    document["dossier"]["tenant"]["name"] = "Клиника Ł"
    text = PdfReader(io.BytesIO(to_pdf(document))).pages[0].extract_text()

    assert plain("Клиника Ł") == "Klinika L"
    assert "Klinika L" in text


def test_a_pdf_that_is_no_dossier_is_refused(fleet, tmp_path):
    path = tmp_path / "other.pdf"
    empty = PdfWriter()
    empty.add_blank_page(100, 100)
    empty.write(path)

    result = fleet.run("tenants", "dossier", "--verify", path)

    assert result.exit_code == 1
    assert "is no dossier" in result.output
