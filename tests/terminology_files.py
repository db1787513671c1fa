"""Small files in the formats of the publishers of terminologies."""

from collections.abc import Iterable, Sequence
from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared" / "data" / "terminology"
REAL_ICD10CM = SHARED / "icd10cm_2026_hierarchy.tsv.gz"
REAL_RXNORM = SHARED / "rxnorm_product_to_ingredient_eunomia.tsv"
REAL_CODES = SHARED / "codes_in_615_patients.tsv.gz"

FSN, SYNONYM = "900000000000003001", "900000000000013009"
IS_A = "116680003"

DESCRIPTION_COLUMNS = (
    "id effectiveTime active moduleId conceptId languageCode typeId term caseSignificanceId"
)
RELATIONSHIP_COLUMNS = (
    "id effectiveTime active moduleId sourceId destinationId relationshipGroup typeId"
    " characteristicTypeId modifierId"
)
CONCEPT_COLUMNS = "id effectiveTime active moduleId definitionStatusId"

NAMES = {
    "138875005": "SNOMED CT Concept (SNOMED RT+CTV3)",
    "64572001": "Disease (disorder)",
    "73211009": "Diabetes mellitus (disorder)",
    "44054006": "Diabetes mellitus type 2 (disorder)",
    "46635009": "Diabetes mellitus type 1 (disorder)",
    "422034002": "Retinopathy due to type 2 diabetes mellitus (disorder)",
    "38341003": "Hypertensive disorder, systemic arterial (disorder)",
}
SYNONYMS = {"44054006": "NIDDM - Non-insulin dependent diabetes", "38341003": "High blood pressure"}
ABOVE = {
    "64572001": ["138875005"],
    "73211009": ["64572001"],
    "44054006": ["73211009"],
    "46635009": ["73211009"],
    "422034002": ["44054006", "64572001"],
    "38341003": ["64572001"],
}


def write_table(path: Path, columns: str, rows: Iterable[Sequence[str]]) -> Path:
    """Write a table with tabs, as RF2 has it."""
    lines = ["\t".join(columns.split()), *("\t".join(row) for row in rows)]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


def write_snomed(folder: Path, *more: str, inactive: Sequence[str] = ()) -> list[Path]:
    """Write descriptions and relationships; `more` are ids of concepts below type 2 diabetes."""
    names = NAMES | {code: f"Another type 2 diabetes {code} (disorder)" for code in more}
    above = ABOVE | {code: ["44054006"] for code in more}
    descriptions = [
        (str(number), "20260901", "1", "m", code, "en", kind, term, "c")
        for kind, terms in ((FSN, names), (SYNONYM, SYNONYMS))
        for number, (code, term) in enumerate(terms.items())
    ]
    relationships = [
        ("1", "20260801", "0" if code in inactive else "1", "m", code, parent, "0", IS_A, "c", "m")
        for code, parents in above.items()
        for parent in parents
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_table(folder / "sct2_Description.txt", DESCRIPTION_COLUMNS, descriptions),
        write_table(folder / "sct2_Relationship.txt", RELATIONSHIP_COLUMNS, relationships),
    ]


def write_rxnorm(folder: Path) -> list[Path]:
    """Write RXNCONSO, RXNREL and RXNSAT with metformin, a combination and a brand."""
    concepts = [
        ("6809", "IN", "metformin"),
        ("4821", "IN", "glipizide"),
        ("235743", "PIN", "metformin hydrochloride"),
        ("316255", "SCDC", "metformin hydrochloride 500 MG"),
        ("315239", "SCDC", "glipizide 5 MG"),
        ("861007", "SCD", "metformin hydrochloride 500 MG Oral Tablet"),
        ("861731", "SCD", "glipizide 5 MG / metformin hydrochloride 500 MG Oral Tablet"),
        ("310490", "SCD", "glipizide 5 MG Oral Tablet"),
        ("861008", "SBD", "metformin hydrochloride 500 MG Oral Tablet [Glucophage]"),
        ("151827", "BN", "Glucophage"),
    ]
    relations = [
        ("235743", "6809"),
        ("316255", "235743"),
        ("315239", "4821"),
        ("861007", "316255"),
        ("861731", "316255"),
        ("861731", "315239"),
        ("310490", "315239"),
        ("861008", "861007"),
        ("861008", "151827"),
        ("151827", "6809"),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    conso = folder / "RXNCONSO.RRF"
    conso.write_text(
        "".join(
            f"{code}|ENG||||||1|||{code}|RXNORM|{kind}|{code}|{name}||N|4096|\n"
            for code, kind, name in concepts
        )
        + "99999|ENG||||||2|||X|MTHSPL|DP|X|Somebody else's name||N||\n",
        encoding="utf-8",
    )
    rel = folder / "RXNREL.RRF"
    rel.write_text(
        "".join(
            f"{one}||CUI|RO|{other}||CUI|related_to|1||RXNORM|RXNORM||||4096|\n"
            for pair in relations
            for one, other in (pair, pair[::-1])
        ),
        encoding="utf-8",
    )
    sat = folder / "RXNSAT.RRF"
    sat.write_text(
        "".join(
            f"{code}||||CUI|{code}|||{name}|{source}|{value}|N|4096|\n"
            for code, name, source, value in (
                ("861007", "NDC", "RXNORM", "00093104801"),
                ("861731", "NDC", "RXNORM", "00093745501"),
                ("310490", "NDC", "RXNORM", "00591046101"),
                ("861007", "NDC", "MTHSPL", "0093-1048-01"),
                ("861007", "RXN_STRENGTH", "RXNORM", "500 MG"),
                ("99999", "NDC", "RXNORM", "11111111111"),
            )
        ),
        encoding="utf-8",
    )
    return [conso, rel, sat]


def write_order_file(folder: Path) -> Path:
    """Write lines as the CDC's order file has them."""
    codes = [
        ("E11", 0, "Type 2 diabetes mellitus"),
        ("E110", 0, "Type 2 diabetes mellitus with hyperosmolarity"),
        ("E1100", 1, "Type 2 diab w hyperosm w/o coma"),
        ("E119", 1, "Type 2 diabetes mellitus without complications"),
        ("I10", 1, "Essential (primary) hypertension"),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "icd10cm_order_2026.txt"
    path.write_text(
        "".join(
            f"{number:05} {code:7} {flag} {name[:60]:60} {name}\n"
            for number, (code, flag, name) in enumerate(codes, 1)
        ),
        encoding="utf-8",
    )
    return path
