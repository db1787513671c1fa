"""Create the demo tenants and their data. Repeating it changes nothing."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any

import orjson
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.database.changes import note_change, note_derived
from trially.database.placement import current_placement
from trially.database.rows import Model, table_of
from trially.database.session import db, transaction
from trially.demo.branding import choose_branding
from trially.demo.organisations import DemoOrganisation
from trially.demo.patients import generate_records
from trially.demo.study_setup import set_up_studies
from trially.dev_issuer import DevIssuer
from trially.recruiting.imports.reading.source_files import source_file_from_stream
from trially.recruiting.imports.running import has_run, run_import
from trially.recruiting.sites.model import Site
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import UnknownTenantError, directory
from trially.tenancy.lifecycle.provisioning import create_tenant

MACHINE_ROLE = Role.COORDINATOR
DATA_EDITION = "2"
"""Part of the fingerprint of the generated records; change it to import them once more."""

Report = Callable[[str], None]


def seed_organisation(organisation: DemoOrganisation, issuer: DevIssuer, report: Report) -> None:
    """Create what is missing of a demo tenant and its data.

    `report` gets a sentence before each step that takes long.
    """
    try:
        directory().find(organisation.slug, fresh=True)
    except UnknownTenantError:
        report(f"Creating tenant {organisation.slug} …")
        create_tenant(
            organisation.slug,
            organisation.name,
            kind=organisation.kind,
            tier=organisation.tier,
        )
    with tenant_context(organisation.slug):
        _add_members(organisation)
        choose_branding(organisation.slug)
        with transaction():
            _insert_missing(Site, "name", [vars(site) for site in organisation.sites])
        fingerprint = _fingerprint_of(organisation)
        if not has_run(fingerprint):
            report(f"Importing {organisation.patients} patients into {organisation.slug} …")
            upload = BytesIO(b"\n".join(_generate(organisation)))
            run_import(
                [source_file_from_stream("demo.ndjson", upload)],
                source=f"demo-{organisation.slug}",
                fingerprint=fingerprint,
                strict=True,
                started_by="demo",
            )
    set_up_studies(organisation, issuer, report)


def _add_members(organisation: DemoOrganisation) -> None:
    for person in organisation.people:
        add_member(
            person.subject,
            Role(person.role),
            display_name=person.display_name,
            email=person.email,
            is_repeatable=True,
        )
    add_member(
        f"svc-{organisation.slug}",
        MACHINE_ROLE,
        display_name="Machine client (demo)",
        is_repeatable=True,
    )


def _insert_missing(model: Model, key: str, items: Sequence[dict[str, Any]]) -> None:
    columns, tenant_id = table_of(model).c, current_placement().tenant_id
    for item in items:
        row = {**item, "id": uuid7(), "tenant_id": tenant_id}
        new_id = db.session.execute(
            insert(table_of(model))
            .values(row)
            .on_conflict_do_nothing(index_elements=["tenant_id", key])
            .returning(columns.id)
        ).scalar()
        if new_id is not None:
            note_change(model, new_id, {}, {name: (None, item[name]) for name in item})
    note_derived(table_of(model).name)


def _fingerprint_of(organisation: DemoOrganisation) -> str:
    """Return what stands for the records of an organisation: what they are generated from."""
    source = (organisation.slug, organisation.patients, organisation.kind.value)
    return hashlib.sha256(f"demo {DATA_EDITION} {source}".encode()).hexdigest()


def _generate(organisation: DemoOrganisation) -> Iterator[bytes]:
    for record in generate_records(organisation.slug, organisation.patients, organisation.kind):
        yield orjson.dumps(record)
