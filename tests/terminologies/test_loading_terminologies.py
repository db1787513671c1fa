"""Terminologies are loaded from the files of their publishers."""

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from terminology_files import (
    ABOVE,
    CONCEPT_COLUMNS,
    REAL_ICD10CM,
    REAL_RXNORM,
    RELATIONSHIP_COLUMNS,
    write_order_file,
    write_rxnorm,
    write_snomed,
    write_table,
)

from trially.terminologies.formats.icd10cm import with_point
from trially.terminologies.loading import UnwritableError, load
from trially.terminologies.reading import TerminologyFileError
from trially.terminologies.store import NotLoadedError, list_loaded, opened, remove
from trially.terminologies.systems import NDC, SYSTEMS, UnknownSystemError, get_system

SCT, ICD, RXNORM, LOINC = (SYSTEMS[name] for name in ("sct", "icd10cm", "rxnorm", "loinc"))
LOINC_HEADER = (
    "LOINC_NUM,COMPONENT,CLASS,STATUS,SHORTNAME,LONG_COMMON_NAME,RELATEDNAMES2,VersionLastChanged\n"
)


def test_snomed_has_names_hierarchy_and_version(tmp_path: Path) -> None:
    loaded = load(SCT, write_snomed(tmp_path))

    assert (loaded.version, loaded.codes, loaded.edges) == ("20260901", 7, 7)
    with opened(SCT) as terminology:
        concept = terminology.find("44054006")
        assert concept is not None
        assert (concept.display, concept.is_active) == ("Diabetes mellitus type 2 (disorder)", True)
        assert terminology.below(["73211009"], 100) == {
            *("73211009", "44054006", "46635009", "422034002")
        }
        assert {each.code for each in terminology.parents("422034002")} == set(ABOVE["422034002"])
        assert [each.code for each in terminology.children("73211009", 1)] == ["44054006"]
        assert terminology.siblings(["44054006"], ["46635009", "38341003"]) == {"46635009"}


def test_a_concept_that_nothing_is_above_is_inactive(tmp_path: Path) -> None:
    load(SCT, write_snomed(tmp_path, inactive=["46635009"]))

    with opened(SCT) as terminology:
        concept = terminology.find("46635009")
        assert concept is not None
        assert not concept.is_active
        root = terminology.find("138875005")
        assert root is not None
        assert root.is_active


def test_a_file_of_concepts_says_which_are_inactive(tmp_path: Path) -> None:
    concepts = write_table(
        tmp_path / "sct2_Concept.txt",
        CONCEPT_COLUMNS,
        [("46635009", "20260901", "0", "m", "d"), ("44054006", "20260901", "1", "m", "d")],
    )
    load(SCT, [*write_snomed(tmp_path), concepts])

    with opened(SCT) as terminology:
        found = {each.code: each.is_active for each in terminology.search("diabetes type", 10)}
    assert found == {"44054006": True, "422034002": True, "46635009": False}
    assert list(found)[-1] == "46635009", "Codes no longer in use come last."


def test_products_are_below_their_ingredients(tmp_path: Path) -> None:
    load(RXNORM, write_rxnorm(tmp_path), version="2026-11-02")

    with opened(RXNORM) as terminology:
        metformin = terminology.below(["6809"], 100)
        glipizide = terminology.below(["4821"], 100)
        brand = terminology.below(["151827"], 100)
        assert terminology.find("99999") is None
        assert terminology.mapped(["861007", "6809"]) == {
            (NDC, "00093104801"),
            (NDC, "00093-1048-01"),
        }
    assert metformin == {
        *("6809", "235743", "316255", "861007", "861731", "861008", "151827"),
    }
    assert glipizide == {"4821", "315239", "861731", "310490"}
    assert brand == {"151827"}, "A brand does not bring in products by its name."


def test_the_order_file_gives_points_and_parents(tmp_path: Path) -> None:
    loaded = load(ICD, [write_order_file(tmp_path)])

    assert (loaded.version, loaded.codes) == ("2026", 5)
    with opened(ICD) as terminology:
        assert [each.code for each in terminology.parents("E11.00")] == ["E11.0"]
        assert [each.code for each in terminology.parents("E11.9")] == ["E11"]
        assert terminology.parents("I10") == []


def test_loinc_has_related_names(tmp_path: Path) -> None:
    path = tmp_path / "Loinc.csv"
    path.write_text(
        LOINC_HEADER
        + '4548-4,Hemoglobin A1c/Hemoglobin.total,HEM/BC,ACTIVE,HbA1c MFr Bld,"Hemoglobin A1c in'
        ' Blood, total","A1C; Glycated",2.78\n'
        "2345-7,Glucose,CHEM,DEPRECATED,Glucose SerPl-mCnc,Glucose in Serum,Glu,2.9\n",
        encoding="utf-8",
    )
    loaded = load(LOINC, [path])

    assert loaded.version == "2.78"
    with opened(LOINC) as terminology:
        [found] = terminology.search("glycat", 5)
        assert found == ("4548-4", "Hemoglobin A1c in Blood, total", "HEM/BC", True)
        old = terminology.find("2345-7")
        assert old is not None
        assert not old.is_active


@pytest.mark.skipif(not REAL_ICD10CM.exists(), reason="The public files are not here.")
def test_all_of_icd10cm_is_loaded_and_each_code_begins_with_its_parent() -> None:
    loaded = load(ICD, [REAL_ICD10CM])

    assert (loaded.version, loaded.codes) == ("2026", 46_881)
    with opened(ICD) as terminology:
        below = terminology.below(["E11"], 1000)
        assert len(below) == 65
        assert all(code.startswith("E11") for code in below)
        wrong = [
            (child, parent)
            for child, parent in terminology._connection.execute(
                "SELECT child.code, parent.code FROM edge"
                " JOIN concept AS child ON child.id = edge.child"
                " JOIN concept AS parent ON parent.id = edge.parent"
            )
            if not child.startswith(parent)
        ]
    assert wrong == []


@pytest.mark.skipif(not REAL_RXNORM.exists(), reason="The public files are not here.")
def test_a_table_of_products_and_ingredients_is_loaded() -> None:
    loaded = load(RXNORM, [REAL_RXNORM], version="eunomia")

    assert loaded.edges == 133
    with opened(RXNORM) as terminology:
        assert {"749785", "751905"} <= terminology.below(["748794"], 1000)


@pytest.mark.parametrize(
    ("system", "name", "content", "message"),
    [
        (
            ICD,
            "x.tsv",
            "code\tdescription\tparent\nE11\tDiabetes\t\nE1\tNo\t\n",
            "line 3: 'E1' has",
        ),
        (
            ICD,
            "x.tsv",
            "code\tdescription\tparent\nE11\tDiabetes\n",
            "line 2: The line has 2 colum",
        ),
        (ICD, "x.tsv", "a\tb\n", "line 1: This is neither the CDC's order file"),
        (ICD, "x.tsv", "", "x.tsv: The file is empty"),
        (ICD, "x.tsv.gz", "no gzip", "x.tsv.gz: The file cannot be read"),
        (ICD, "icd_2026.tsv", "code\tdescription\tparent\n", "hold no code of ICD-10-CM"),
        (ICD, "x.tsv", "code\tdescription\tparent\nE11\tD\t\n", "do not name the version"),
        (SCT, "x.txt", "id\tterm\n", "no RF2 file"),
        (RXNORM, "RXNCONSO.RRF", "1|2|3\n", "line 1: The line has 3 columns instead of 19"),
        (LOINC, "x.csv", LOINC_HEADER + '1-2,"open\n', "line 2: The line is no CSV"),
        (LOINC, "x.csv", LOINC_HEADER + "1-2,c,k,ACTIVE,s,l,r,2\n", "line 2: '1-2' is no LOINC"),
        (LOINC, "x.csv", "LOINC_NUM,COMPONENT\n", "The column 'LONG_COMMON_NAME' is missing"),
    ],
)
def test_an_error_names_file_line_and_what(
    tmp_path: Path, terminologies: Path, system: object, name: str, content: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")

    with pytest.raises(TerminologyFileError) as raised:
        load(system, [path])  # type: ignore[arg-type]

    assert message in str(raised.value)
    assert list(terminologies.iterdir()) == [], "Nothing unfinished is left."


def test_a_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "icd_2026.tsv"
    path.write_bytes(b"code\tdescription\tparent\nE11\t\xff\t\n")

    with pytest.raises(TerminologyFileError, match="line 2: The line is not UTF-8"):
        load(ICD, [path])


def test_parts_of_a_release_that_are_missing_are_named(tmp_path: Path) -> None:
    descriptions, _ = write_snomed(tmp_path)
    conso, *_ = write_rxnorm(tmp_path)

    with pytest.raises(TerminologyFileError, match="needs its file of relationships"):
        load(SCT, [descriptions])
    with pytest.raises(TerminologyFileError, match=r"RxNorm needs RXNREL\.RRF"):
        load(RXNORM, [conso], version="1")


def test_a_process_keeps_the_release_that_it_reads(tmp_path: Path) -> None:
    load(SCT, write_snomed(tmp_path))
    with opened(SCT) as former:
        load(SCT, write_snomed(tmp_path, "313436004"))
        assert former.find("313436004") is None
        assert former.find("44054006") is not None
    with opened(SCT) as newer:
        assert newer.find("313436004") is not None


def test_files_that_cannot_be_read_leave_the_former_release(tmp_path: Path) -> None:
    load(SCT, write_snomed(tmp_path))
    broken = write_table(tmp_path / "broken.txt", RELATIONSHIP_COLUMNS, [("1", "2")])

    with pytest.raises(TerminologyFileError):
        load(SCT, [*write_snomed(tmp_path, "313436004"), broken])

    with opened(SCT) as terminology:
        assert terminology.find("313436004") is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, terminologies: Path) -> None:
    terminologies.write_text("This is a file.", encoding="utf-8")

    with pytest.raises(UnwritableError, match="SNOMED CT cannot be written to"):
        load(SCT, write_snomed(tmp_path))


def test_what_a_killed_load_has_left_is_removed_a_day_later(
    tmp_path: Path, terminologies: Path
) -> None:
    terminologies.mkdir()
    left, fresh = (terminologies / f".sct-{name}.building" for name in ("left", "fresh"))
    for path in (left, fresh):
        path.touch()
    os.utime(left, (0, 0))

    load(SCT, write_snomed(tmp_path))

    assert {path.name for path in terminologies.iterdir()} == {"sct.sqlite", fresh.name}


def test_a_dry_run_replaces_nothing(tmp_path: Path) -> None:
    assert load(SCT, write_snomed(tmp_path), dry_run=True).codes == 7
    assert list_loaded() == []


def test_the_identity_follows_the_files(tmp_path: Path) -> None:
    first = load(SCT, write_snomed(tmp_path)).identity
    again = load(SCT, write_snomed(tmp_path)).identity
    packed = tmp_path / "packed"
    packed.mkdir()
    files = []
    for path in write_snomed(tmp_path):
        files.append(packed / f"{path.name}.gz")
        files[-1].write_bytes(gzip.compress(path.read_bytes()))

    assert first == again == load(SCT, files).identity
    assert load(SCT, write_snomed(tmp_path, "313436004")).identity != first


def test_what_is_loaded_is_listed_and_removed(tmp_path: Path) -> None:
    load(SCT, write_snomed(tmp_path))

    [info] = list_loaded()
    remove(SCT)

    assert (info.system, info.codes) == (SCT, 7)
    assert info.files == ["sct2_Description.txt", "sct2_Relationship.txt"]
    assert list_loaded() == []
    with pytest.raises(NotLoadedError, match="flask terminologies load sct FILE"), opened(SCT):
        pass
    with pytest.raises(NotLoadedError, match="nothing was removed"):
        remove(SCT)


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    """Peak memory of 60,000 codes is not much above that of 3,000."""

    def peak(codes: int) -> int:
        path = tmp_path / f"icd_2026_{codes}.tsv"
        rows = [
            (f"{chr(65 + n // 10000)}{n // 1000 % 10}{n // 100 % 10}.{n % 100:02}", "name" * 20, "")
            for n in range(codes)
        ]
        write_table(path, "code description parent", rows)
        del rows
        tracemalloc.start()
        try:
            load(ICD, [path])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(60_000) < peak(3_000) + 4_000_000


def test_systems_are_named_by_short_name_or_url() -> None:
    assert get_system("sct") == get_system("http://snomed.info/sct") == SCT
    with pytest.raises(UnknownSystemError, match="'icd11' is no code system"):
        get_system("icd11")
    assert (with_point("E11"), with_point("E119")) == ("E11", "E11.9")
