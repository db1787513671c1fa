"""`flask tenants export` and `flask patients export`."""

from pathlib import Path
from typing import Any
from uuid import UUID

import click

from trially.audit.actors import act_for
from trially.audit.forms import Action, Purpose
from trially.audit.recording import note
from trially.audit.working import showing_patients
from trially.errors import OperatorError
from trially.exports.contents import ALL_PARTS, Part, write_tenant
from trially.exports.counting import Counter
from trially.exports.person import write_person
from trially.exports.targets import DirectoryTarget, target_of
from trially.http.problems import NotFound
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option, plural, print_item


class UnknownPartError(OperatorError):
    """An export has no such part."""


class NoPatientToExportError(OperatorError):
    """The tenant has no such patient."""


@catalog_command("export", loses=NOTHING)
@click.argument("slug", shell_complete=complete_slug)
@click.option(
    "--to",
    "place",
    required=True,
    help="A directory that is not there, or s3://…, gs://…, file://….",
)
@click.option(
    "--format",
    "formats",
    default=",".join(ALL_PARTS),
    show_default=True,
    help="The parts to write, with commas between them.",
)
@json_option
def export_tenant(slug: str, *, place: str, formats: str, as_json: bool) -> None:
    """Export what the tenant SLUG stores.

    All is read from one snapshot. The export has its name only when it is complete, with a manifest
    that has the SHA-256 of each file. docs/exports.md describes the files. The command is recorded
    in the tenant's audit log.

    \b
    Examples:
      flask tenants export acme --to /srv/exports/acme
      flask tenants export acme --to s3://exports/acme --format fhir,csv
    """  # noqa: D301
    parts = _parts_of(formats)
    with (
        target_of(place).complete() as target,
        administered_tenant(slug),
        Counter() as counter,
        showing_patients(Action.EXPORT) as work,
    ):
        work.show_unknown()
        note(exports=[part.value for part in parts])
        manifest = write_tenant(target, parts, counter.count)
    _print(manifest, f"Exported {slug} to {place}", as_json=as_json)


@catalog_command("export", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@click.argument("patient_id", type=click.UUID)
@click.option("--to", "directory", required=True, type=click.Path(path_type=Path))
@json_option
def export_patient(slug: str, patient_id: UUID, *, directory: Path, as_json: bool) -> None:
    """Export all that TENANT stores about the person PATIENT_ID, and who saw it.

    For requests by the person: GDPR 15 and 20, HIPAA access. The command is recorded in the
    tenant's audit log, as an answer to a request by the patient.

    \b
    Example:
      flask patients export acme 019bb5ee-3c1d-7d32-a7a8-c3f9b7a1e0aa --to /srv/exports/request-12
    """  # noqa: D301
    with (
        DirectoryTarget(directory).complete() as target,
        administered_tenant(slug),
        showing_patients(Action.EXPORT) as work,
    ):
        act_for(Purpose.PATIENT_REQUEST)
        try:
            manifest = write_person(target, patient_id)
        except NotFound as error:
            raise NoPatientToExportError(f"{slug} has no patient {patient_id}.") from error
        work.show([patient_id])
    _print(manifest, f"Exported {patient_id} to {directory}", as_json=as_json)


def _parts_of(formats: str) -> tuple[Part, ...]:
    names = {name.strip() for name in formats.split(",")}
    unknown = sorted(names - {part.value for part in Part})
    if unknown:
        raise UnknownPartError(
            f"{unknown[0]!r} is no part of an export. Choose from {', '.join(ALL_PARTS)}."
        )
    return tuple(part for part in ALL_PARTS if part.value in names)


def _print(manifest: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    files, size = manifest["files"], sum(each["bytes"] for each in manifest["files"])
    print_item(
        manifest, f"{sentence}: {plural(len(files), 'file')}, {size:,} bytes.", as_json=as_json
    )
