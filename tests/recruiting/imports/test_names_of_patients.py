"""All names that a source sends are found, and say which use of the name matched."""

from typing import Any
from unicodedata import normalize

from members import Member

from tests.recruiting.imports.importing import Importer

MANY_NAMES = {
    "resourceType": "Patient",
    "id": "nm",
    "name": [
        {"use": "maiden", "family": "Früh", "given": ["Zoë"]},
        {
            "use": "official",
            "family": "O'Brien-Smythe",
            "given": ["Zoë", "Marie"],
            "period": {"start": "2010-01-01"},
        },
        {"use": "nickname", "given": ["Zo"]},
        {"use": "old", "family": "Mid", "given": ["Zoë"], "period": {"end": "2010-01-01"}},
        {"text": "Madame Solange"},
    ],
}
DECOMPOSED = {
    "resourceType": "Patient",
    "id": "nf",
    "name": [{"use": "official", "family": "Mun\u0303oz", "given": ["Rene\u0301e"]}],
}


def search(member: Member, q: str) -> list[tuple[str, str | None, str]]:
    data = member.post("/patients/search", json={"q": q}).json["data"]
    return [
        (each["source"], match["use"], match["kind"]) for each in data for match in each["matched"]
    ]


def test_each_name_of_a_patient_finds_the_patient(importer: Importer, member: Member) -> None:
    importer(MANY_NAMES, DECOMPOSED, source="arden")

    assert search(member, "smythe") == [("arden", None, "exact")]
    assert search(member, "OBrien") == [("arden", None, "exact")]
    assert search(member, "marie") == [("arden", None, "exact")]
    assert search(member, "fruh") == [("arden", "maiden", "exact")]
    assert search(member, "frueh") == [("arden", "maiden", "exact")]
    assert search(member, "mid") == [("arden", "old", "exact")]
    assert search(member, "zo") == [("arden", "nickname", "exact")]
    assert search(member, "solange") == [("arden", None, "exact")]
    assert search(member, normalize("NFC", "Muñoz")) == [("arden", None, "exact")]
    assert search(member, "renee munoz") == [("arden", None, "exact")] * 2


def test_names_and_terms_follow_the_source_and_go_with_the_patient(
    importer: Importer, member: Member
) -> None:
    importer(MANY_NAMES)
    importer({**MANY_NAMES, "name": [{"family": "Neu", "given": ["Zoë"]}]})

    assert search(member, "fruh") == []
    assert search(member, "neu") == [("fhir", None, "exact")]
    assert importer.value("SELECT count(*) FROM patient_name") == 1
    member.delete(f"/patients/{importer.value('SELECT id FROM patient')}")
    assert importer.value("SELECT count(*) FROM patient_name") == 0
    assert importer.value("SELECT count(*) FROM patient_search_term") == 0


def test_an_import_without_changes_writes_no_terms(importer: Importer) -> None:
    importer(MANY_NAMES)
    before = importer.query("SELECT id, xmin::text FROM patient_search_term ORDER BY id")
    importer(MANY_NAMES, DECOMPOSED)

    after = importer.query("SELECT id, xmin::text FROM patient_search_term ORDER BY id")
    assert set(before) < set(after)


def test_a_correction_is_found_beside_the_names_of_the_source(
    importer: Importer, member: Member
) -> None:
    importer(MANY_NAMES)
    member.patch(
        f"/patients/{importer.value('SELECT id FROM patient')}", json={"family_name": "Corrected"}
    )

    assert search(member, "corrected") == [("fhir", None, "exact")]
    assert search(member, "fruh") == [("fhir", "maiden", "exact")]


def test_an_import_finds_possible_duplicates_within_and_across_sources(
    importer: Importer, member: Member
) -> None:
    def patient(number: int, family: str) -> dict[str, Any]:
        name = [{"family": family, "given": ["Zoë"]}]
        return {
            "resourceType": "Patient",
            "id": str(number),
            "name": name,
            "birthDate": "1961-04-09",
            "gender": "female",
        }

    importer(patient(1, "Früh"), patient(2, "Fruh"), source="arden")
    importer(patient(7, "Frueh"), patient(3, "Nobody"), source="north")

    data = member.get("/possible-duplicates").json["data"]
    assert len(data) == 3
    assert {pair["reasons"][0] for pair in data} == {"same_name", "similar_name"}
    importer(patient(7, "Other"), source="north")
    assert len(member.get("/possible-duplicates").json["data"]) == 1
