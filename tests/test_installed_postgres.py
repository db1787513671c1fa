"""The tests run on an installed PostgreSQL only if it has the security fixes."""

from pathlib import Path

import pytest
from installed_postgres import version_of


def with_version(folder: Path, version: str) -> Path:
    program = folder / "postgres"
    program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n")
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize(("version", "parts"), [("15.20", (15, 20)), ("16.4", (16, 4))])
def test_a_supported_version_is_accepted(tmp_path, version, parts):
    assert version_of(with_version(tmp_path, version)) == parts


@pytest.mark.parametrize("version", ["15.19", "14.30"])
def test_an_older_version_is_refused(tmp_path, version):
    with pytest.raises(AssertionError, match=f"PostgreSQL {version} lacks security fixes"):
        version_of(with_version(tmp_path, version))


def test_a_missing_program_is_named(tmp_path):
    with pytest.raises(AssertionError, match=r"does not exist\. Install 15\.20 or newer"):
        version_of(tmp_path)
