"""The command `flask imports hl7v2`."""

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from trially.recruiting.column_mappings.mapping import read_zone
from trially.recruiting.column_mappings.problems import MappingError
from trially.recruiting.imports.command_options import (
    dry_run_option,
    require_source,
    source_option,
)
from trially.recruiting.imports.commands import import_files
from trially.recruiting.imports.formats.hl7v2.reading import MessageReader
from trially.recruiting.imports.formats.text_files import Encoding, codec_named
from trially.recruiting.imports.reading.source_files import find_source_files
from trially.recruiting.imports.running import fingerprint_of, fingerprint_with
from trially.recruiting.imports.stored_mappings import find_own_zone, find_tenant_zone
from trially.recruiting.imports.table_commands import (
    files_argument,
)
from trially.recruiting.imports.trying import try_files
from trially.tenancy.catalog_commands import catalog_command
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.completing import complete_slug
from trially.terminal import NOTHING, json_option


def _check_zone(name: str | None) -> ZoneInfo | None:
    try:
        return read_zone(name)
    except MappingError as error:
        raise click.BadParameter(str(error)) from None


@catalog_command("hl7v2", loses=NOTHING)
@click.argument("slug", metavar="TENANT", shell_complete=complete_slug)
@files_argument
@source_option
@click.option(
    "--encoding",
    type=click.Choice([encoding.value for encoding in Encoding]),
    default=Encoding.AUTO.value,
    show_default=True,
    help="Encoding of messages without a character set in MSH-18.",
)
@click.option(
    "--time-zone",
    "zone",
    metavar="NAME",
    callback=lambda _context, _parameter, value: _check_zone(value),
    help="Zone of times that name none, such as Europe/Berlin.  [default: the source's]",
)
@click.option("--strict", is_flag=True, help="Stop at the first segment that cannot be imported.")
@dry_run_option
@json_option
def hl7v2(
    slug: str,
    files: Sequence[Path],
    *,
    source: str | None,
    encoding: str,
    zone: ZoneInfo | None,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import HL7 v2 messages into TENANT.

    FILES hold ADT and ORU messages: many in one file, in batches, or framed for MLLP. They may be
    compressed with gzip, xz or bzip2.

    \b
    Example:
      flask imports hl7v2 acme messages.hl7 --source adt --time-zone Europe/Berlin
    """  # noqa: D301 - click reads \b
    source = require_source(slug, source)
    source_files = find_source_files(files)
    with tenant_context(slug):
        zone, fallback = zone or find_own_zone(source), find_tenant_zone()
    options = ("hl7v2", zone, encoding, fallback)
    reader = MessageReader(zone, codec_named(Encoding(encoding)), fallback)
    if dry_run:
        try_files(slug, source_files, source=source, strict=strict, as_json=as_json, reader=reader)
        return
    import_files(
        slug,
        source_files,
        source=source,
        fingerprint=fingerprint_with(fingerprint_of(source_files), options),
        strict=strict,
        as_json=as_json,
        reader=reader,
    )
