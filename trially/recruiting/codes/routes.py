"""Routes of codes. They read files that hold no data of any tenant."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.http.contract import queries, returns
from trially.recruiting.codes.schema import (
    CodeQuerySchema,
    CodeSearchQuerySchema,
    FoundCodesSchema,
    FoundDetailsSchema,
    LoadedSystemsSchema,
)
from trially.terminologies.store import is_loaded, list_loaded, opened
from trially.terminologies.systems import SYSTEMS, get_system
from trially.terminologies.terminology import Concept, Terminology

bp = Blueprint("codes", __name__, url_prefix="/codes")

MOST_CHILDREN = 200
NOTHING_LOADED: Mapping[str, Any] = {"data": [], "version": None}


@bp.get("/systems")
@requires(Permission.VALUE_SETS_READ)
@returns(LoadedSystemsSchema())
def list_code_systems() -> dict[str, Any]:
    """List the code systems that can be searched, and which releases are loaded.

    Operators load them from the publishers' files, for all tenants.
    """
    loaded = {each.system.name: each for each in list_loaded()}
    return {
        "data": [
            {
                **system._asdict(),
                "is_loaded": name in loaded,
                "version": loaded[name].version if name in loaded else None,
                "identity": loaded[name].identity if name in loaded else None,
                "codes": loaded[name].codes if name in loaded else None,
            }
            for name, system in SYSTEMS.items()
        ]
    }


@bp.get("/search")
@requires(Permission.VALUE_SETS_READ)
@queries(CodeSearchQuerySchema())
@returns(FoundCodesSchema())
def search_codes(query: dict[str, Any]) -> Mapping[str, Any]:
    """Find codes as somebody types.

    `q` is the beginning of a code, or the beginnings of words of its names in any order. Codes that
    begin with it come first, then those with the shortest names, and those no longer in use last.
    If the system is not loaded, `data` is empty and `version` is null.
    """
    with _opened(query["system"]) as terminology:
        if terminology is None:
            return NOTHING_LOADED
        found = terminology.search(query["q"], query["limit"])
        return {
            "data": [_shown(terminology, each) for each in found],
            "version": terminology.info.version,
        }


@bp.get("/lookup")
@requires(Permission.VALUE_SETS_READ)
@queries(CodeQuerySchema())
@returns(FoundDetailsSchema())
def look_up_code(query: dict[str, Any]) -> Mapping[str, Any]:
    """Show a code with those directly above and below it.

    What is directly above an RxNorm product are its parts, and at last its ingredients. `data` is
    empty if the release does not have the code. If the system is not loaded, `version` is null too.
    """
    with _opened(query["system"]) as terminology:
        if terminology is None:
            return NOTHING_LOADED
        concept = terminology.find(query["code"])
        found = [] if concept is None else [_details(terminology, concept)]
        return {"data": found, "version": terminology.info.version}


@contextmanager
def _opened(name: str) -> Iterator[Terminology | None]:
    system = get_system(name)
    if not is_loaded(system):
        yield None
        return
    with opened(system) as terminology:
        yield terminology


def _details(terminology: Terminology, concept: Concept) -> dict[str, Any]:
    parents = terminology.parents(concept.code)
    children = terminology.children(concept.code, MOST_CHILDREN)
    return {
        **_shown(terminology, concept),
        "parents": [_shown(terminology, each) for each in parents],
        "children": [_shown(terminology, each) for each in children],
    }


def _shown(terminology: Terminology, concept: Concept) -> dict[str, Any]:
    return {"system": terminology.system.url, **concept._asdict()}
