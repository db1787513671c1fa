"""Find the files of an import, and put them in the order in which to read them."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from trially.errors import OperatorError
from trially.recruiting.imports.reading.byte_sources import ByteSource, Ceiling, Read
from trially.recruiting.imports.reading.unpacking import is_worth_reading, to_shown_name, unpack

HEAD_BYTES = 64 * 2**10

_LEADING_WORD = re.compile(r"[A-Za-z]+(?![A-Za-z])")
_FIRST_RESOURCE = re.compile(rb'"resourceType"\s*:\s*"(?!Bundle")([A-Za-z]+)"')
# What bulk exports name their files after; a name that begins otherwise is looked into.
_TYPES_IN_NAMES = frozenset(
    "AdverseEvent AllergyIntolerance Appointment BodyStructure CarePlan CareTeam Claim "
    "ClaimResponse Communication Composition Condition Consent Coverage Device DeviceRequest "
    "DeviceUseStatement DiagnosticReport DocumentReference Encounter EpisodeOfCare "
    "ExplanationOfBenefit FamilyMemberHistory Goal Group Immunization ImagingStudy List Location "
    "Media Medication MedicationAdministration MedicationDispense MedicationRequest "
    "MedicationStatement NutritionOrder Observation OperationOutcome Organization Patient "
    "Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse "
    "RelatedPerson ResearchSubject RiskAssessment ServiceRequest Specimen Task".lower().split()
)
# Facts need their patients, and requests what they request.
_RANKS = {"patient": 0, "medication": 1}


class ImportSourceError(OperatorError):
    """What was handed in cannot be read at all."""


class SourceFile:
    """One file of an import: plain, compressed, or an archive of files."""

    def __init__(
        self,
        name: str,
        size: int,
        opener: Callable[[], AbstractContextManager[BinaryIO]],
        modified_ns: int = 0,
    ) -> None:
        self.name = to_shown_name(name)
        """What people call it; never an absolute path."""
        self.size = size
        """Bytes, as stored; 0 where that is not known."""
        self.modified_ns = modified_ns
        """When it was last changed, in nanoseconds; 0 where that is not known."""
        self._opener = opener
        self._position = 0

    def position(self) -> int:
        """Return how many of its bytes have been read."""
        return self._position

    def rewind(self) -> None:
        """Forget how far it has been read."""
        self._position = 0

    @contextmanager
    def reading(self) -> Iterator[Read]:
        """Open it, and give the function that reads on."""
        self.rewind()
        try:
            opened = self._opener()
        except OSError as error:
            raise ImportSourceError(f"{self.name} cannot be opened.") from error

        def read(size: int) -> bytes:
            found = file.read(size)
            self._position += len(found)
            return found

        with opened as file:
            yield read


def source_file_from_stream(name: str, binary_file: BinaryIO) -> SourceFile:
    """Return the part that an upload makes; the file stays open and its owner's."""
    size = 0
    if binary_file.seekable():
        size = binary_file.seek(0, io.SEEK_END)

    def rewind() -> AbstractContextManager[BinaryIO]:
        if binary_file.seekable():
            binary_file.seek(0)
        return nullcontext(binary_file)

    return SourceFile(re.split(r"[/\\]", name.rstrip("/\\"))[-1] or "upload", size, rewind)


def find_source_files(paths: Sequence[Path]) -> list[SourceFile]:
    """Return the files to read, in folders too: patients first, then medications, then the rest.

    A file given by name is read whatever it is called; in a folder, names decide.
    """
    found: dict[str, SourceFile] = {}
    for path in paths:
        try:
            is_folder = path.is_dir()
            if not is_folder and not path.is_file():
                path.stat()
                raise ImportSourceError(f"{path} is neither a file nor a folder.")
        except OSError as error:
            raise ImportSourceError(f"{path} cannot be found.") from error
        prefix = Path(path.resolve().name) if len(paths) > 1 else Path()
        parts = _find_in_folder(path, prefix) if is_folder else {path: path.name}
        if not parts:
            raise ImportSourceError(f"{path} holds no FHIR files.")
        for file, name in parts.items():
            found.setdefault(os.path.realpath(file), _make_part(file, name))
    return sorted(found.values(), key=lambda part: (_rank(part), part.name))


def find_passed_over(paths: Sequence[Path]) -> list[str]:
    """Return the files in folders that `find_source_files` ignores, except hidden ones."""
    return sorted(
        to_shown_name(file.relative_to(path).as_posix())
        for path in paths
        if path.is_dir()
        for file in _walk(path)
        if not is_worth_reading(file.name)
    )


def _find_in_folder(folder: Path, prefix: Path) -> dict[Path, str]:
    return {
        file: (prefix / file.relative_to(folder)).as_posix()
        for file in _walk(folder)
        if is_worth_reading(file.name)
    }


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without following links to other folders."""

    def refuse(error: OSError) -> None:
        raise ImportSourceError(f"{error.filename} cannot be read.") from error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(root, name)
            if not name.startswith(".") and file.is_file():
                yield file


def _make_part(file: Path, name: str) -> SourceFile:
    try:
        status = file.stat()
    except OSError as error:
        raise ImportSourceError(f"{file} cannot be found.") from error
    if not os.access(file, os.R_OK):
        raise ImportSourceError(f"{file} cannot be read.")
    return SourceFile(name, status.st_size, lambda: file.open("rb"), status.st_mtime_ns)


def _rank(part: SourceFile) -> int:
    """Return where a part comes in the order, by its name or else its first resource."""
    word = _LEADING_WORD.match(part.name.rpartition("/")[2])
    kind = word.group().lower() if word else ""
    if kind not in _TYPES_IN_NAMES:
        kind = _first_type(part)
    return _RANKS.get(kind, len(_RANKS))


def _first_type(part: SourceFile) -> str:
    try:
        return _look_into(part)
    finally:
        part.rewind()


def _look_into(part: SourceFile) -> str:
    with part.reading() as read:
        for _, content in unpack(part.name, ByteSource(read), Ceiling(None)):
            if isinstance(content, ByteSource):
                match = _FIRST_RESOURCE.search(content.peek(HEAD_BYTES))
                return match.group(1).decode().lower() if match else ""
    return ""
