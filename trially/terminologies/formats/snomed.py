"""SNOMED CT: the snapshot files of Release Format 2 with descriptions and relationships."""

from collections.abc import Sequence

from trially.terminologies.building import Builder
from trially.terminologies.reading import InputFile, TerminologyFileError
from trially.value_sets.codes import is_snomed

IS_A = "116680003"
FULLY_SPECIFIED_NAME = "900000000000003001"
ROOT = "138875005"
_ACTIVE = "1"


def read_snomed(files: Sequence[InputFile], builder: Builder) -> str | None:
    """Read files of descriptions, relationships and concepts, which their columns tell apart.

    Without a file of concepts, those that have nothing above them count as inactive.
    """
    dates, kinds = [""], set()
    for file in files:
        header = set(file.header("\t"))
        if {"conceptId", "term"} <= header:
            kinds.add("descriptions")
            dates.append(_read_descriptions(file, builder))
        elif {"sourceId", "destinationId", "typeId"} <= header:
            kinds.add("relationships")
            dates.append(_read_relationships(file, builder))
        elif "definitionStatusId" in header:
            kinds.add("concepts")
            _read_concepts(file, builder)
        else:
            file.refuse("This is no RF2 file of descriptions, relationships or concepts.")
    for needed in ("descriptions", "relationships"):
        if needed not in kinds:
            raise TerminologyFileError(
                f"SNOMED CT needs its file of {needed}:"
                f" sct2_{needed.removesuffix('s').title()}_Snapshot_….txt."
            )
    if "concepts" not in kinds:
        builder.run(
            "UPDATE staged.concept SET is_active = 0 WHERE code <> ?"
            " AND code NOT IN (SELECT child FROM staged.edge)",
            ROOT,
        )
    return max(dates) or None


def _read_descriptions(file: InputFile, builder: Builder) -> str:
    newest = ""
    names = ("effectiveTime", "active", "conceptId", "languageCode", "typeId", "term")
    for date, active, concept, language, kind, term in file.table("\t", *names):
        _check(file, concept)
        newest = max(newest, date)
        if active == _ACTIVE and language.startswith("en"):
            if kind == FULLY_SPECIFIED_NAME:
                builder.add_concept(concept, term)
            else:
                builder.add_term(concept, term)
    return newest


def _read_relationships(file: InputFile, builder: Builder) -> str:
    newest = ""
    names = ("effectiveTime", "active", "sourceId", "destinationId", "typeId")
    for date, active, source, destination, kind in file.table("\t", *names):
        newest = max(newest, date)
        if active == _ACTIVE and kind == IS_A:
            _check(file, source)
            _check(file, destination)
            builder.add_edge(source, destination)
    return newest


def _read_concepts(file: InputFile, builder: Builder) -> None:
    for concept, active in file.table("\t", "id", "active"):
        _check(file, concept)
        if active != _ACTIVE:
            builder.deactivate(concept)


def _check(file: InputFile, code: str) -> None:
    if not is_snomed(code):
        file.refuse(f"{code!r} is no SNOMED CT concept id: its check digit or partition is wrong.")
