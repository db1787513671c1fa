"""What the others found is what docs/isolation.md says. Named so that it is asked last."""

import os

from attacks import ATTACKS
from findings import Found, describe_isolation, is_complete, rows_of
from tenant_databases import TIERS

from trially.config import ROOT

PATH = ROOT / "docs" / "isolation.md"
IS_TO_BE_WRITTEN = "WRITE_ISOLATION" in os.environ
"""As `make docs` does."""


def test_the_document_says_what_was_found(findings: Found) -> None:
    is_all = all(is_complete(attack, findings, TIERS) for attack in ATTACKS.values())
    if IS_TO_BE_WRITTEN:
        assert is_all
        PATH.write_text(describe_isolation(findings, TIERS))

    document = PATH.read_text()

    if is_all:
        assert document == describe_isolation(findings, TIERS)
    # After a part of the tests, or without a pooler, what has been tried in full.
    assert [row for row in rows_of(findings, TIERS) if row not in document] == []
