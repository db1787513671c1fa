"""The page has the figures that the benchmark prints."""

from pathlib import Path

from benchmarks.eligibility_texts import read_studies
from benchmarks.reading_criteria import table
from trially.config import ROOT
from trially.recruiting.drafting.drafts import draft


def test_the_page_has_the_figures_of_the_benchmark(shared_data: Path) -> None:
    drafts = {each.nct_id: draft(each.text, each.eligibility) for each in read_studies()}

    figures = "\n".join(table(drafts))

    assert figures in (ROOT / "docs" / "reading-criteria.md").read_text()
