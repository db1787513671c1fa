"""Routes of value sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item, table_of
from trially.http.contract import (
    accepts,
    accepts_merge_patch,
    feature,
    matches_versions,
    may_conflict,
    only_reads,
    queries,
    returns,
    returns_page,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.pages import Page
from trially.http.problems import Conflict, validation_failed
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.valuesets.composing import dump_composition
from trially.recruiting.valuesets.library import read_outcome, value_set_library
from trially.recruiting.valuesets.model import SORTS, ValueSet, ValueSetVersion
from trially.recruiting.valuesets.reach.report import report_reach
from trially.recruiting.valuesets.saving import (
    expand_again,
    expand_composition,
    expanded_values,
    lock_value_sets,
    read_composition,
    store_expansion,
    store_version,
)
from trially.recruiting.valuesets.schema import (
    CompositionSchema,
    ExpansionQuerySchema,
    ExpansionSchema,
    ReachSchema,
    StarterSetsSchema,
    ValueSetPatchSchema,
    ValueSetQuerySchema,
    ValueSetSchema,
    ValueSetVersionSchema,
)
from trially.recruiting.valuesets.showing import CODES_SHOWN, show_outcome, show_starter
from trially.recruiting.valuesets.starter_sets import find_starter, starter_sets
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import WHOLE_TENANT
from trially.tenancy.entitlements.features import Feature

bp = Blueprint("valuesets", __name__, url_prefix="/valuesets")

columns = table_of(ValueSet).c

VALUE_SETS = Resource(
    ValueSet,
    ValueSetSchema(),
    scope=WHOLE_TENANT,
    sorts=SORTS,
    filters={"key": equals(columns.key)},
)
VERSIONS = Resource(
    ValueSetVersion,
    ValueSetVersionSchema(),
    scope=WHOLE_TENANT,
    filters={"value_set_id": equals(table_of(ValueSetVersion).c.value_set_id)},
)


@bp.get("")
@requires(Permission.VALUE_SETS_READ)
@queries(ValueSetQuerySchema())
@returns_page(ValueSetSchema())
def list_value_sets(query: dict[str, Any]) -> Page:
    """List the tenant's own value sets, oldest first.

    Criteria may name these, and the starter sets that come with trially. `key` finds one by its
    key, and `sort` changes the order.
    """
    return VALUE_SETS.page(query)


@bp.get("/starters")
@requires(Permission.VALUE_SETS_READ)
@returns(StarterSetsSchema())
def list_starter_sets() -> Item:
    """List the starter sets.

    They come with trially, are the same for every tenant, and cannot be changed. To change one,
    create a value set that includes it. `gaps` says what they lack as long as a terminology is not
    loaded.
    """
    with value_set_library() as library:
        return {"data": [show_starter(each, library) for each in starter_sets().values()]}


@bp.post("")
@requires(Permission.VALUE_SETS_WRITE)
@feature(Feature.VALUE_SETS)
@accepts(ValueSetSchema())
@returns_version(ValueSetSchema(), HTTPStatus.CREATED)
@may_conflict
def create_value_set(body: dict[str, Any]) -> Item:
    """Create a value set.

    The key must be new in the tenant, and not that of a starter set. The set is expanded at once:
    `gaps` says what is missing. Send an `Idempotency-Key` to repeat the request safely.
    """
    key = body["key"]
    if key in starter_sets():
        raise Conflict(
            f"A starter set has the key '{key}'. Choose another one.",
            errors=[{"pointer": "/key", "detail": "A starter set has this key."}],
        )
    lock_value_sets()
    with _as_problems(), value_set_library() as library:
        composition = read_composition(body["compose"], key)
        outcome = expand_composition(composition, library)
    created = VALUE_SETS.create(
        {**body, "compose": dump_composition(composition), **expanded_values(outcome)}
    )
    store_version(created["id"], created["number"], composition)
    store_expansion(created["id"], created["number"], outcome)
    return created


@bp.get("/<uuid:value_set_id>")
@requires(Permission.VALUE_SETS_READ)
@returns_version(ValueSetSchema())
def show_value_set(value_set_id: UUID) -> Item:
    """Show a value set of the tenant.

    The `ETag` is the row's version, and `etag` repeats it in the body. `number` is the version of
    the composition, which only a change of `compose` raises.
    """
    return VALUE_SETS.get(value_set_id)


@bp.patch("/<uuid:value_set_id>")
@requires(Permission.VALUE_SETS_WRITE)
@feature(Feature.VALUE_SETS)
@matches_versions
@accepts_merge_patch(ValueSetPatchSchema(partial=True))
@returns_version(ValueSetSchema())
def change_value_set(value_set_id: UUID, versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change a value set.

    The body is a merge patch (RFC 7396): members that it lacks stay, and null removes a value, also
    within `compose`. Another composition makes a new version, and the sets that include this one
    are expanded again. Earlier versions stay as they are. `If-Match` must name the version that the
    caller has seen, or the answer is 412.
    """
    if "compose" not in body:
        return VALUE_SETS.change(value_set_id, versions, body)
    lock_value_sets()
    stored = VALUE_SETS.get(value_set_id)
    patch = VALUE_SETS.merged(value_set_id, body)
    with _as_problems(), value_set_library() as library:
        composition = read_composition(patch["compose"], stored["key"])
        outcome = expand_composition(composition, library)
    patch["compose"] = dump_composition(composition)
    if patch["compose"] == stored["compose"]:
        return VALUE_SETS.change(value_set_id, versions, patch)
    number = stored["number"] + 1
    changed = VALUE_SETS.change(
        value_set_id, versions, patch, {"number": number, **expanded_values(outcome)}
    )
    store_version(value_set_id, number, composition)
    store_expansion(value_set_id, number, outcome)
    if changed["digest"] != stored["digest"]:
        expand_again(changed=stored["key"])
    return changed


@bp.get("/<uuid:value_set_id>/versions")
@requires(Permission.VALUE_SETS_READ)
@queries(ValueSetQuerySchema(only=("limit", "cursor", "total")))
@returns_page(ValueSetVersionSchema())
def list_value_set_versions(value_set_id: UUID, query: dict[str, Any]) -> Page:
    """List the versions of a value set, oldest first.

    A version never changes. The newest one is in use, and a change of `compose` makes the next.
    """
    VALUE_SETS.get(value_set_id)
    return VERSIONS.page(query, value_set_id=value_set_id)


@bp.get("/<uuid:value_set_id>/expansion")
@requires(Permission.VALUE_SETS_READ)
@queries(ExpansionQuerySchema())
@returns(ExpansionSchema())
def show_expansion(value_set_id: UUID, query: dict[str, Any]) -> Item:
    """Show the codes that a value set comes down to: one of the tenant, or a starter set.

    It has single codes, and ranges of codes for those that all begin alike. Matching uses exactly
    these codes.
    """
    with value_set_library() as library:
        starter = find_starter(value_set_id)
        outcome = (
            library.value_set(starter.key)
            if starter
            else read_outcome(VALUE_SETS.get(value_set_id))
        )
        return show_outcome(outcome, library, **query)


@bp.post("/<uuid:value_set_id>/expansion")
@requires(Permission.VALUE_SETS_WRITE)
@feature(Feature.VALUE_SETS)
@returns_version(ValueSetSchema())
def expand_value_set(value_set_id: UUID) -> Item:
    """Expand a value set again, with the terminologies that are loaded now.

    The sets that it includes, and those that include it, are expanded too. Versions stay as they
    are. Operators do this for all tenants after they have loaded a terminology.
    """
    VALUE_SETS.get(value_set_id)
    expand_again()
    return VALUE_SETS.get(value_set_id)


@bp.post("/preview")
@requires(Permission.VALUE_SETS_READ)
@accepts(CompositionSchema())
@returns(ExpansionSchema())
@only_reads
def preview_expansion(body: dict[str, Any]) -> Item:
    """Show the codes that a composition would come down to.

    Nothing is stored. The first 200 single codes are shown.
    """
    with _as_problems(), value_set_library() as library:
        outcome = expand_composition(read_composition(body["compose"], None), library)
        return show_outcome(outcome, library, limit=CODES_SHOWN, offset=0)


@bp.get("/<uuid:value_set_id>/reach")
@requires(Permission.PATIENTS_COUNT)
@returns(ReachSchema())
def show_reach(value_set_id: UUID) -> Item:
    """Show how many of the tenant's facts a value set reaches, and which codes it may lack.

    Counted are the facts that matching reads, by each of their codings, of the patients of the
    sites that the caller may see. Codes that the set may lack are those of the same category of
    ICD, siblings in SNOMED CT, codes of similar names, and the set's codes under another system.
    Without the PHI level `full`, numbers about fewer than 11 patients are null, and codes and names
    that a source chose itself are left out.
    """
    with value_set_library() as library:
        starter = find_starter(value_set_id)
        if starter:
            outcome = library.value_set(starter.key)
            return report_reach(outcome, starter.name, starter.names, library)
        own = VALUE_SETS.get(value_set_id)
        return report_reach(read_outcome(own), own["name"], (), library)


@contextmanager
def _as_problems() -> Iterator[None]:
    """Answer 422 with the places and sentences of what is wrong with a composition."""
    try:
        yield
    except CriteriaError as error:
        raise validation_failed([each._asdict() for each in error.problems]) from error
