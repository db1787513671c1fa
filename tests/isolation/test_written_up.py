"""Compare docs/isolation.md with the results of all other tests here.

pytest runs files in alphabetical order, so this file's name makes it the last.
"""

import os

from attacks import ATTACKS
from findings import Found, describe_isolation, is_complete, rows_of
from tenant_databases import TIERS

from trially.config import ROOT

PATH = ROOT / "docs" / "isolation.md"
IS_TO_BE_WRITTEN = "WRITE_ISOLATION" in os.environ
"""Set by `make isolation-docs`."""


def test_the_document_shows_the_results(findings: Found) -> None:
    is_all = all(is_complete(attack, findings, TIERS) for attack in ATTACKS.values())
    if IS_TO_BE_WRITTEN:
        assert is_all
        PATH.write_text(describe_isolation(findings, TIERS))

    document = PATH.read_text()

    if is_all:
        assert document == describe_isolation(findings, TIERS)
    # If only some tests ran, or no pooler is installed, compare the complete rows only.
    assert [row for row in rows_of(findings, TIERS) if row not in document] == []
