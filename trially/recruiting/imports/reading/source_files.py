"""Find the files of an import, and sort them into reading order."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from trially.errors import OperatorError
from trially.recruiting.imports.limits import ImportLimitError, ImportLimits
from trially.recruiting.imports.reading.byte_sources import ByteSource, Read
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.unpacking import (
    may_hold_resources,
    to_display_name,
    unpack,
)

HEAD_BYTES = 64 * 2**10
MOST_SEARCHED_BYTES = 2**30
"""Bytes of an archive, after decompression, that are searched for the first resource."""

_LEADING_WORD = re.compile(r"[A-Za-z]+(?![A-Za-z])")
_FIRST_RESOURCE = re.compile(rb'"resourceType"\s*:\s*"(?!Bundle")([A-Za-z]+)"')
# Bulk exports name a file after its resource type. The first resource decides for other names.
_TYPES_IN_NAMES = frozenset(
    "AdverseEvent AllergyIntolerance Appointment Binary BodyStructure CarePlan CareTeam Claim "
    "ClaimResponse Communication Composition Condition Consent Coverage Device DeviceRequest "
    "DeviceUseStatement DiagnosticReport DocumentReference Encounter EpisodeOfCare "
    "ExplanationOfBenefit FamilyMemberHistory Goal Group Immunization ImagingStudy List Location "
    "Media Medication MedicationAdministration MedicationDispense MedicationRequest "
    "MedicationStatement NutritionOrder Observation OperationOutcome Organization Patient "
    "Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse "
    "RelatedPerson ResearchSubject RiskAssessment ServiceRequest Specimen Task".lower().split()
)
# Facts refer to patients, medication requests to medications, and documents to Binary resources.
_RANKS = {"patient": 0, "medication": 1, "binary": 1}


class ImportSourceError(OperatorError):
    """The input of an import cannot be read, or a strict import failed."""


class SourceFile:
    """One file of an import: plain, compressed, or an archive of files."""

    def __init__(
        self,
        name: str,
        size: int,
        opener: Callable[[], AbstractContextManager[BinaryIO]],
        modified_ns: int = 0,
    ) -> None:
        self.name = to_display_name(name)
        """The name to show, which is never an absolute path."""
        self.size = size
        """Bytes as stored; 0 if unknown."""
        self.modified_ns = modified_ns
        """Time of the last change in nanoseconds; 0 if unknown."""
        self._opener = opener
        self._position = 0

    def position(self) -> int:
        """Return the number of bytes read so far, as stored."""
        return self._position

    def rewind(self) -> None:
        """Reset the position to 0."""
        self._position = 0

    @contextmanager
    def reading(self) -> Iterator[Read]:
        """Open the file, and yield the function that reads the next bytes."""
        self.rewind()
        try:
            opened = self._opener()
        except OSError as error:
            raise ImportSourceError(f"{self.name} cannot be opened: {error.strerror}.") from error

        def read(size: int) -> bytes:
            content = file.read(size)
            self._position += len(content)
            return content

        with opened as file:
            yield read


def source_file_from_stream(name: str, binary_file: BinaryIO) -> SourceFile:
    """Return an open file as a source file. The caller closes it."""
    size = 0
    if binary_file.seekable():
        size = binary_file.seek(0, io.SEEK_END)

    def rewind() -> AbstractContextManager[BinaryIO]:
        if binary_file.seekable():
            binary_file.seek(0)
        return nullcontext(binary_file)

    return SourceFile(re.split(r"[/\\]", name.rstrip("/\\"))[-1] or "upload", size, rewind)


def find_source_files(paths: Sequence[Path]) -> list[SourceFile]:
    """Return the files of paths and folders: patients first, then medications, then the rest.

    A path to a file is always included. A file in a folder is included if its name shows that it
    may hold resources. Raises `ImportSourceError` for a path without such files.
    """
    source_files: dict[str, SourceFile] = {}
    for path in paths:
        try:
            is_folder = path.is_dir()
            if not is_folder and not path.is_file():
                path.stat()
                raise ImportSourceError(f"{path} is neither a file nor a folder.")
        except OSError as error:
            raise ImportSourceError(f"{path} cannot be read: {error.strerror}.") from error
        prefix = Path(path.resolve().name) if len(paths) > 1 else Path()
        names = _find_in_folder(path, prefix) if is_folder else {path: path.name}
        if not names:
            raise ImportSourceError(
                f"{path} contains no FHIR files. The names of FHIR files end in .json, .ndjson,"
                " .jsonl or .tar, compressed or not."
            )
        for file, name in names.items():
            source_files.setdefault(os.path.realpath(file), _to_source_file(file, name))
    return sorted(source_files.values(), key=lambda file: (_rank(file), file.name))


def find_ignored_files(paths: Sequence[Path]) -> list[str]:
    """Return the files in folders that `find_source_files` ignores, except hidden ones."""
    return sorted(
        to_display_name(file.relative_to(path).as_posix())
        for path in paths
        if path.is_dir()
        for file in _walk(path)
        if not may_hold_resources(file.name)
    )


def _find_in_folder(folder: Path, prefix: Path) -> dict[Path, str]:
    return {
        file: (prefix / file.relative_to(folder)).as_posix()
        for file in _walk(folder)
        if may_hold_resources(file.name)
    }


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, without following links to folders."""

    def refuse(error: OSError) -> None:
        raise ImportSourceError(f"{error.filename} cannot be read: {error.strerror}.") from error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(root, name)
            if not name.startswith(".") and file.is_file():
                yield file


def _to_source_file(file: Path, name: str) -> SourceFile:
    try:
        status = file.stat()
    except OSError as error:
        raise ImportSourceError(f"{file} cannot be read: {error.strerror}.") from error
    if not os.access(file, os.R_OK):
        raise ImportSourceError(f"{file} cannot be read: permission denied.")
    return SourceFile(name, status.st_size, lambda: file.open("rb"), status.st_mtime_ns)


def _rank(source_file: SourceFile) -> int:
    """Return a file's rank in the order, by the type in its name or of its first resource."""
    word = _LEADING_WORD.match(source_file.name.rpartition("/")[2])
    kind = word.group().lower() if word else ""
    if kind not in _TYPES_IN_NAMES:
        kind = _read_first_type(source_file)
    return _RANKS.get(kind, len(_RANKS))


def _read_first_type(source_file: SourceFile) -> str:
    meter = InputMeter(ImportLimits(most_expanded_bytes=MOST_SEARCHED_BYTES))
    try:
        with source_file.reading() as read:
            for _, content in unpack(source_file.name, ByteSource(read), meter):
                if isinstance(content, ByteSource):
                    match = _FIRST_RESOURCE.search(content.peek(HEAD_BYTES))
                    return match.group(1).decode().lower() if match else ""
    except ImportLimitError:
        pass
    finally:
        source_file.rewind()
    return ""
