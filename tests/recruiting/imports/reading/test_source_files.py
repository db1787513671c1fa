"""The files of an import are found and sorted."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import orjson
import pytest

from tests.recruiting.imports.reading.files import A, bundle, ndjson, read_file
from trially.recruiting.imports.reading.source_files import (
    ImportSourceError,
    find_source_files,
    source_file_from_stream,
)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    (folder / "more").mkdir(parents=True)
    for name in (
        "Condition.000.ndjson",
        "MedicationRequest.ndjson",
        "Medication.ndjson",
        "Patient.001.ndjson.gz",
        "more/patient.ndjson",
        "log.ndjson",
        "manifest.json",
        "README.md",
        ".hidden.json",
    ):
        (folder / name).write_bytes(ndjson(A))
    return folder


def test_patients_come_first_then_medications(export: Path) -> None:
    assert [source_file.name for source_file in find_source_files([export])] == [
        "Patient.001.ndjson.gz",
        "more/patient.ndjson",
        "Medication.ndjson",
        "Condition.000.ndjson",
        "MedicationRequest.ndjson",
    ]


def test_the_first_resource_decides_if_the_name_has_no_type(tmp_path: Path) -> None:
    other = {"resourceType": "Organization", "id": "o"}
    (tmp_path / "a.json").write_bytes(orjson.dumps(bundle({"resource": other})))
    (tmp_path / "b.json").write_bytes(
        gzip.compress(orjson.dumps(bundle({"resource": A}), option=orjson.OPT_INDENT_2))
    )
    with tarfile.open(tmp_path / "c.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "b.json", "b.json")

    assert [source_file.name for source_file in find_source_files([tmp_path])] == [
        "b.json",
        "c.tar.xz",
        "a.json",
    ]


def test_a_path_to_a_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "export.dat"
    file.write_bytes(ndjson(A))

    (source_file,) = find_source_files([file])

    assert (source_file.name, source_file.size, source_file.position()) == (
        "export.dat",
        file.stat().st_size,
        0,
    )
    assert [line.resource for line in read_file(source_file)] == [A]
    assert source_file.position() == source_file.size


def test_names_begin_with_the_folder_if_there_are_several_and_no_file_is_read_twice(
    export: Path,
) -> None:
    source_files = find_source_files([export, export / "more", export / "Medication.ndjson"])

    assert len(source_files) == 5
    assert "export/more/patient.ndjson" in [source_file.name for source_file in source_files]


def test_links_to_files_are_followed_and_links_to_folders_are_not(
    export: Path, tmp_path: Path
) -> None:
    (export / "more" / "up").symlink_to(export)
    (export / "circle.json").symlink_to(export / "circle.json")
    (export / "Patient.link.ndjson").symlink_to(export / "log.ndjson")
    link = tmp_path / "link"
    link.symlink_to(export)

    names = [source_file.name for source_file in find_source_files([link])]

    assert len(names) == 6
    assert "Patient.link.ndjson" in names


@pytest.mark.parametrize(
    ("create", "reason"),
    [
        (lambda _path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "contains no FHIR files"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: os.mkfifo(path), "is neither a file nor a folder"),
    ],
)
def test_a_path_that_cannot_be_imported_is_rejected(create, reason: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x"
    create(path)

    with pytest.raises(ImportSourceError, match=reason):
        find_source_files([path])


def test_a_file_that_was_deleted_is_rejected(export: Path) -> None:
    source_file = find_source_files([export])[0]
    (export / source_file.name).unlink()

    with pytest.raises(
        ImportSourceError, match=r"Patient\.001\.ndjson\.gz cannot be opened: No such"
    ):
        read_file(source_file)


def test_a_stream_is_read_and_stays_open() -> None:
    file = io.BytesIO(ndjson(A))
    file.read()

    source_file = source_file_from_stream("C:\\fakepath\\Patient.ndjson", file)

    assert (source_file.name, source_file.size) == ("Patient.ndjson", len(file.getvalue()))
    assert [line.resource for line in read_file(source_file)] == [A]
    assert [line.resource for line in read_file(source_file)] == [A]
    assert not file.closed
