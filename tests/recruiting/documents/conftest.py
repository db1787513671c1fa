"""Fixtures of tests of documents."""

from tests.recruiting.imports.conftest import importer

__all__ = ["importer"]
