"""Measure what the rules read of real eligibility texts, of seen and of unseen ones.

One study in three, chosen by the digest of its id, was not looked at while the rules were written.
A person labelled a random sample of its statements after the rules were frozen. Run as
`python -m benchmarks.reading_criteria`; `--wrong` lists the seen statements that are not read.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from benchmarks.eligibility_labels import Label, LabelledPart, proposed, read_labels
from benchmarks.eligibility_texts import (
    is_unseen,
    read_labelled_statements,
    read_other_bounds,
    read_studies,
    with_numbers,
)
from trially.recruiting.drafting.drafts import Draft, draft
from trially.recruiting.drafting.places import Place
from trially.recruiting.drafting.reading.readings import Extent, Reading
from trially.recruiting.drafting.reading.rules import Rules
from trially.recruiting.drafting.splitting.statements import Section, SplitText, Statement

MARKED = {
    "age": ({"age"}, {"age"}),
    "sex": ({"gender"}, {"sex"}),
    "bmi": ({"bmi"}, {"bmi"}),
    "pregnancy": ({"pregnancy"}, {"pregnancy"}),
    "condition": ({"chronic_disease", "cancer"}, {"condition"}),
    "treatment": ({"treatment"}, {"medication", "procedure"}),
    "measurement": (
        {"clinical_variable"},
        {"laboratory", "hba1c", "egfr", "blood_pressure", "vital_sign", "score"},
    ),
}
"""Kinds of marks of the other project's labels, and the kinds of proposals that answer them."""

VARIABLES = {
    "age": "age", "bmi": "bmi", "sbp": "systolic", "dbp": "diastolic", "lvef": "lvef",
    "a1c": "hba1c", "wbc": "leukocytes", "platelet_count": "platelets", "alt": "alt", "ast": "ast",
    "creatinine_level": "creatinine", "calculated_creatinine_clearance": "creatinine_clearance",
    "glomerular_filtration_rate": "egfr", "anc": "neutrophils", "spo2": "oxygen_saturation",
    "respiratory_rate": "respiratory_rate", "heart_rate": "heart_rate", "cqt": "qtc",
    "body_temperature": "temperature", "c_reactive_protein_level": "crp", "weight": "weight",
    "total_bilirubin_level": "bilirubin", "hb_count": "hemoglobin", "ferritin_level": "ferritin",
    "lactate_dehydrogenase_level": "ldh", "potassium_level": "potassium",
}  # fmt: skip
"""Variables of the other program that the rules know, by their names there."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wrong", action="store_true", help="list seen statements not read")
    options = parser.parse_args()
    drafts = {study.nct_id: draft(study.text, study.eligibility) for study in read_studies()}
    if options.wrong:
        for line in _unread(drafts):
            print(line)
        return
    for line in table(drafts):
        print(line)


def _unread(drafts: dict[str, Draft]) -> Iterator[str]:
    """Yield the seen statements that are not read as a whole. Unseen ones are never shown."""
    for nct_id, each in drafts.items():
        if is_unseen(nct_id):
            continue
        for statement, reading in zip(each.split.statements, each.readings, strict=True):
            if reading.extent in (Extent.PARTLY, Extent.UNREAD):
                yield f"{nct_id} {reading.extent}: {each.split.words(statement)}"


def table(drafts: dict[str, Draft]) -> Iterator[str]:
    """Yield the lines of all figures."""
    labels = list(read_labels())
    if not all(is_unseen(label.study) for label in labels):
        raise ValueError("A label is of a study that was seen.")
    yield "Statements of 180 studies"
    yield f"  {'':31}{'studies':>8}{'all':>7}{'whole':>7}{'partly':>8}{'unread':>8}  evaluable"
    seen = [each for nct_id, each in drafts.items() if not is_unseen(nct_id)]
    unseen = [each for nct_id, each in drafts.items() if is_unseen(nct_id)]
    shared = {text for each in seen for text, _ in _read(each)}
    new = [[pair for pair in _read(each) if pair[0] not in shared] for each in unseen]
    yield _extents("seen", len(seen), [pair for each in seen for pair in _read(each)])
    yield _extents("unseen", len(unseen), [pair for each in unseen for pair in _read(each)])
    yield _extents("of these, not in seen texts too", sum(map(bool, new)), [*chain(*new)])
    yield from _labelled(drafts, labels)
    yield from _marked()
    yield from _other_program()


def _read(each: Draft) -> list[tuple[str, Reading]]:
    """Return the statements in lower case and single spaces, each with its reading."""
    statements = zip(each.split.statements, each.readings, strict=True)
    return [
        (" ".join(each.split.words(statement).casefold().split()).strip(" .;,"), reading)
        for statement, reading in statements
    ]


def _extents(name: str, studies: int, statements: list[tuple[str, Reading]]) -> str:
    counts = Counter(reading.extent for _, reading in statements)
    read = {extent: counts[extent] for extent in (Extent.WHOLE, Extent.PARTLY, Extent.UNREAD)}
    total = sum(read.values())
    numbers = f"{studies:>8}{total:>7}{read[Extent.WHOLE]:>7}{read[Extent.PARTLY]:>8}"
    share = read[Extent.WHOLE] / total
    return f"  {name:31}{numbers}{read[Extent.UNREAD]:>8}  {share:.1%}"


def _labelled(drafts: dict[str, Draft], labels: list[Label]) -> Iterator[str]:
    """Yield precision and recall per kind, against labels made by hand."""
    yield ""
    yield f"Proposals against {len(labels)} statements of unseen studies, labelled by hand"
    yield f"  {'kind':16}{'labelled':>9}{'proposed':>9}{'right':>7}{'precision':>11}{'recall':>8}"
    wanted: Counter[str] = Counter()
    given: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for label in labels:
        _compare(label, _reading(drafts, label), wanted, given, right)
    for kind in sorted(wanted | given):
        yield _row(kind, wanted[kind], given[kind], right[kind])
    totals = [counter.total() for counter in (wanted, given, right)]
    yield _row("all", *totals)
    yield from _wholes(drafts, labels)


def _wholes(drafts: dict[str, Draft], labels: list[Label]) -> Iterator[str]:
    asked = [label for label in labels if label.whole != "-"]
    whole = [each for each in asked if _reading(drafts, each).extent is Extent.WHOLE]
    right = [each for each in whole if each.whole == "y" and _agrees(each, _reading(drafts, each))]
    possible = sum(label.whole == "y" for label in asked)
    yield f"  Statements that the language can say, by the labels: {possible} of {len(asked)}"
    yield f"  Read as a whole: {len(whole)}, rightly: {len(right)} ({len(right) / len(whole):.0%})"
    shares = f"{len(right) / len(asked):.1%} of all, {len(right) / possible:.0%} of those"
    yield f"  Evaluable and right: {shares}"


def _reading(drafts: dict[str, Draft], label: Label) -> Reading:
    return drafts[label.study].readings[label.statement - 1]


def _compare(
    label: Label,
    reading: Reading,
    wanted: Counter[str],
    given: Counter[str],
    right: Counter[str],
) -> None:
    expected = {part.identity: part for part in label.parts}
    found = {part.identity: part for part in map(proposed, reading.parts)}
    for identity, part in expected.items():
        if not part.is_optional:
            wanted.update(_kinds(part))
            right.update(_kinds(part) if identity in found else ())
    for identity, part in found.items():
        if identity not in expected or not expected[identity].is_optional:
            given.update(_kinds(part))


def _kinds(part: LabelledPart) -> Iterable[str]:
    """Return the kind, and `within` too for events in a window of time."""
    is_event = part.time is not None and not part.bounds
    return (part.kind, "(of these, timed)") if is_event else (part.kind,)


def _agrees(label: Label, reading: Reading) -> bool:
    """Return whether a reading has all parts of a label, and no others."""
    found = {proposed(part).identity for part in reading.parts}
    needed = {part.identity for part in label.parts if not part.is_optional}
    return needed <= found <= {part.identity for part in label.parts}


def _row(kind: str, wanted: int, given: int, right: int) -> str:
    precision = f"{right / given:.2f}" if given else "-"
    recall = f"{right / wanted:.2f}" if wanted else "-"
    return f"  {kind:16}{wanted:>9}{given:>9}{right:>7}{precision:>11}{recall:>8}"


def _marked() -> Iterator[str]:
    """Yield whether proposals are of the kinds that people marked in other statements."""
    statements = list(read_labelled_statements())
    yield ""
    yield f"Kinds of proposals against the marks in {len(statements)} statements of other studies"
    yield f"  {'':16}{'seen: marked, precision, recall':>34}{'unseen: the same':>30}"
    readings = [(each, read_alone(with_numbers(each.text))) for each in statements]
    for kind, (marks, kinds) in MARKED.items():
        cells = []
        for unseen in (False, True):
            chosen = [pair for pair in readings if is_unseen(pair[0].text) is unseen]
            marked = [
                bool(each.kinds & marks) and _is_bounded(kind, each.kinds) for each, _ in chosen
            ]
            given = [any(part.kind in kinds for part in reading.parts) for _, reading in chosen]
            both = sum(mark and give for mark, give in zip(marked, given, strict=True))
            cells.append(f"{sum(marked):>8}{both / sum(given):>8.2f}{both / sum(marked):>8.2f}")
        yield f"  {kind:16}" + "      ".join(cells)


def _is_bounded(kind: str, marks: frozenset[str]) -> bool:
    """Return whether a mark can be answered: a measurement needs a bound."""
    return kind != "measurement" or bool(marks & {"lower_bound", "upper_bound"})


def read_alone(text: str) -> Reading:
    """Return the reading of one statement that stands under no heading."""
    statement = Statement(1, Section.INCLUSION, Place(0, len(text)), None, None, None)
    return Rules().read(SplitText(text, (), (statement,), ()))[0]


def _other_program() -> Iterator[str]:
    """Yield how many bounds of another program the rules read too, with the same numbers."""
    texts, bounds = read_other_bounds()
    known = [each for each in bounds if each.variable in VARIABLES]
    same = Counter[bool]()
    for nct_id, text in texts.items():
        parts = [proposed(part) for reading in draft(text).readings for part in reading.parts]
        for each in known:
            if each.nct_id == nct_id:
                same[
                    any(
                        _is_same(each.lower, each.upper, part, VARIABLES[each.variable])
                        for part in parts
                    )
                ] += 1
    yield ""
    yield (
        f"Bounds that another program read in 20 trials: {len(bounds)}, of variables known to the"
        f" rules {len(known)}, of these read with the same numbers {same[True]}"
    )


def _is_same(lower: str | None, upper: str | None, part: LabelledPart, key: str) -> bool:
    """Return whether a part is about a variable and has the numbers of a bound."""
    numbers = {float(number) for number in (lower, upper) if number is not None}
    return key in part.key and {float(number) for _, number in part.bounds} == numbers


if __name__ == "__main__":
    main()
