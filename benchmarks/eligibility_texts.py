"""Real eligibility texts, and which of them stay unseen while the rules are written."""

import csv
import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).parents[2] / "shared" / "data"
STUDIES = DATA / "studies" / "clinicaltrials_gov_v2_180.ndjson.gz"
LABELS = DATA / "labels" / "lab_variables"


class Study(NamedTuple):
    """A study with its eligibility text."""

    nct_id: str
    text: str
    eligibility: dict[str, Any]


class LabelledStatement(NamedTuple):
    """A statement of another project's labels. All of its numbers are the same word."""

    text: str
    kinds: frozenset[str]


def is_unseen(name: str) -> bool:
    """Return whether a study or statement is in the third that nobody looks at.

    The SHA-256 digest of its id or text, as a number, is then a multiple of three.
    """
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 3 == 0


def read_studies() -> Iterator[Study]:
    """Yield the studies."""
    with gzip.open(STUDIES, "rt") as lines:
        for line in lines:
            protocol = json.loads(line)["protocolSection"]
            eligibility = protocol["eligibilityModule"]
            nct_id = protocol["identificationModule"]["nctId"]
            yield Study(nct_id, eligibility.get("eligibilityCriteria", ""), eligibility)


def read_labelled_statements() -> Iterator[LabelledStatement]:
    """Yield the statements with the kinds of terms that people marked in them."""
    with gzip.open(LABELS / "test_processed_medical_ner.tsv.gz", "rt") as lines:
        for line in lines:
            marks, text = line.rstrip("\n").split("\t")
            kinds = frozenset(mark.rsplit(":", 1)[1] for mark in marks.split(","))
            yield LabelledStatement(text, kinds)


def with_numbers(text: str) -> str:
    """Return a labelled statement as a text again: with numbers, and without the split signs."""
    numbers = iter(range(12, 1000))
    text = re.sub("@NUMBER", lambda _: str(next(numbers)), text)
    for split, joined in (
        (" 's", "'s"),
        (" ,", ","),
        (" .", "."),
        ("( ", "("),
        (" )", ")"),
        (" / ", "/"),
        (" - ", "-"),
    ):
        text = text.replace(split, joined)
    return text


class OtherBound(NamedTuple):
    """A bound that another program read from a trial's text."""

    nct_id: str
    variable: str
    lower: str | None
    upper: str | None


def read_other_bounds() -> tuple[dict[str, str], list[OtherBound]]:
    """Return the texts of 20 trials, and the bounds that another program read from them."""
    with gzip.open(LABELS / "clinical_trials.csv.gz", "rt") as lines:
        texts = {row[0]: row[-1] for row in csv.reader(lines) if not row[0].startswith("#")}
    with gzip.open(LABELS / "cfg_parsed_clinical_trials.tsv.gz", "rt") as file:
        rows = [line.split("\t") for line in io.StringIO(file.read()) if line[0] != "#"]
    return texts, [_bound(row) for row in rows]


def _bound(row: list[str]) -> OtherBound:
    relation = json.loads(row[6])
    lower, upper = (relation.get(side, {}).get("value") for side in ("lower", "upper"))
    return OtherBound(row[0], relation["name"], lower, upper)
