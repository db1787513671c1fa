"""Measure the time that the guard adds to BEGIN, for the guard and for variants of it.

A variant is safe if it refuses a caller who waited for the tenant's lock while the epoch changed,
and if no name or operator in it depends on the caller's search_path. The script checks the first.
"""

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import DatabaseError
from psycopg2.extensions import connection

from benchmarks.installation import installation
from benchmarks.processes import scheduled_seconds
from benchmarks.report import make_parser, print_outcome
from trially.database.connecting import connect
from trially.database.dialect import REFUSALS
from trially.database.placement import Placement
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

SLUG = "guarded"
WAIT_SECONDS = 0.3
PLAIN = "plain BEGIN"
AS_IS = "as is"
QUERY = "SELECT id FROM patient LIMIT 0"
"""The statement of each transaction. It looks up a name, which a changed search_path slows."""
SHOWN = (AS_IS, "plpgsql qualified", "sql atomic")

VARIANTS = """
CREATE FUNCTION trially.qualified(asked uuid, known_epoch bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $function$
DECLARE
    found_epoch bigint;
    found_suspended boolean;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(asked, 0));
    SELECT p.epoch, p.is_suspended INTO found_epoch, found_suspended
        FROM trially.placement p WHERE p.tenant_id OPERATOR(pg_catalog.=) asked;
    IF found_suspended THEN
        RETURN 'suspended';
    ELSIF found_epoch OPERATOR(pg_catalog.=) known_epoch THEN
        RETURN 'entered';
    END IF;
    RETURN 'stale';
END
$function$;

CREATE FUNCTION trially.atomic(asked uuid, known_epoch bigint) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER
BEGIN ATOMIC
    SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(asked, 0));
    SELECT coalesce(
        (SELECT CASE WHEN p.is_suspended THEN 'suspended' WHEN p.epoch = known_epoch THEN 'entered'
            ELSE 'stale' END FROM trially.placement p WHERE p.tenant_id = asked),
        'stale');
END;

-- The whole opening in one call. The settings must outlast the call, so it has no SET clause.
CREATE FUNCTION trially.all_in_one(asked uuid, known_epoch bigint, path text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $function$
DECLARE
    found_epoch bigint;
    found_suspended boolean;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(asked, 0)),
        pg_catalog.set_config('search_path', path, true),
        pg_catalog.set_config('trially.tenant_id', asked::text, true);
    SELECT p.epoch, p.is_suspended INTO found_epoch, found_suspended
        FROM trially.placement p WHERE p.tenant_id OPERATOR(pg_catalog.=) asked;
    IF found_suspended THEN
        RETURN 'suspended';
    ELSIF found_epoch OPERATOR(pg_catalog.=) known_epoch THEN
        RETURN 'entered';
    END IF;
    RETURN 'stale';
END
$function$;

CREATE FUNCTION trially.atomic_all_in_one(asked uuid, known_epoch bigint, path text) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER
BEGIN ATOMIC
    SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(asked, 0)),
        pg_catalog.set_config('search_path', path, true),
        pg_catalog.set_config('trially.tenant_id', asked::text, true);
    SELECT coalesce(
        (SELECT CASE WHEN p.is_suspended THEN 'suspended' WHEN p.epoch = known_epoch THEN 'entered'
            ELSE 'stale' END FROM trially.placement p WHERE p.tenant_id = asked),
        'stale');
END;

-- Unsafe: one snapshot, taken before the wait. It shows that the check for safety works.
CREATE FUNCTION trially.one_statement(asked uuid, known_epoch bigint) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER
BEGIN ATOMIC
    SELECT coalesce((SELECT CASE WHEN p.is_suspended THEN 'suspended'
        WHEN p.epoch = known_epoch THEN 'entered' ELSE 'stale' END
        FROM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(asked, 0)) l,
        trially.placement p WHERE p.tenant_id = asked AND l IS NOT NULL), 'stale');
END;
"""


@dataclass(frozen=True)
class Figures:
    """The cost of one kind of opening beyond that of a plain BEGIN, in µs per transaction."""

    wall_us: float
    postgres_us: float
    transaction_us: float
    is_safe: bool


def main() -> None:
    parser = make_parser(__spec__.name, rounds=60, seconds=0.03)
    options = parser.parse_args()
    with installation() as installed, installed.app.app_context():
        placement = _prepare()
        results = _measure(placement, options.rounds, options.seconds)
    plain = results[PLAIN]
    shown = ", ".join(
        f"{name} {results[name].wall_us:.0f} µs ({results[name].postgres_us:.0f} µs CPU"
        f"{'' if results[name].is_safe else ', UNSAFE'})"
        for name in SHOWN
    )
    figures = {name: vars(one) for name, one in results.items()}
    line = f"guard: on top of BEGIN ({plain.transaction_us:.0f} µs a transaction), {shown}"
    print_outcome(line, figures, as_json=options.json)


def _prepare() -> Placement:
    create_tenant(SLUG, "Guarded")
    with tenant_context(SLUG) as entry:
        placement = entry.placement
    with server_access().administer(placement.url.database) as raw:
        execute(raw, VARIANTS)
        execute(raw, f'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA trially TO "{_role(placement)}"')
    return placement


def _openings(placement: Placement) -> dict[str, str]:
    arguments = f"('{placement.tenant_id}',{placement.epoch:d}"
    as_is = placement.opening
    return {
        PLAIN: "BEGIN",
        "BEGIN and SELECT 1": "BEGIN;SELECT 1",
        AS_IS: as_is,
        "plpgsql qualified": as_is.replace("trially.enter(", "trially.qualified("),
        "sql atomic": as_is.replace("trially.enter(", "trially.atomic("),
        "plpgsql all in one": f"BEGIN;SELECT 1,1,trially.all_in_one{arguments},'tenant, pg_temp')",
        "sql atomic all in one": (
            f"BEGIN;SELECT 1,1,trially.atomic_all_in_one{arguments},'tenant, pg_temp')"
        ),
        "one statement": as_is.replace("trially.enter(", "trially.one_statement("),
        "without the function": as_is.partition(",trially.enter(")[0],
        "function alone, as is": f"BEGIN;SELECT 1,1,trially.enter{arguments})",
    }


def _measure(placement: Placement, rounds: int, seconds: float) -> dict[str, Figures]:
    openings = _openings(placement)
    safe = {name: _is_safe(placement, opening) for name, opening in openings.items()}
    raw = connect(placement.url)
    wall: dict[str, list[float]] = {name: [] for name in openings}
    postgres: dict[str, list[float]] = {name: [] for name in openings}
    for number in range(rounds + 1):
        for name, opening in openings.items():
            before = scheduled_seconds(raw.info.backend_pid)
            samples = _open_often(raw, opening, seconds)
            cpu = (scheduled_seconds(raw.info.backend_pid) - before) / len(samples)
            if number:  # the first round warms up
                wall[name].append(statistics.median(samples))
                postgres[name].append(cpu)
    raw.close()
    plain = statistics.median(wall[PLAIN]), statistics.median(postgres[PLAIN])
    return {
        name: Figures(
            wall_us=(statistics.median(wall[name]) - plain[0]) * 1e6,
            postgres_us=(statistics.median(postgres[name]) - plain[1]) * 1e6,
            transaction_us=statistics.median(wall[name]) * 1e6,
            is_safe=safe[name],
        )
        for name in openings
    }


def _open_often(raw: connection, opening: str, seconds: float) -> Sequence[float]:
    samples = []
    deadline = time.perf_counter() + seconds
    with raw.cursor() as cursor:
        while (began := time.perf_counter()) < deadline:
            cursor.execute(opening)
            cursor.execute(QUERY)
            cursor.execute("COMMIT")
            samples.append(time.perf_counter() - began)
    return samples


def _is_safe(placement: Placement, opening: str) -> bool:
    """Return whether a caller is refused who waits for the lock while the epoch changes."""
    answers: list[object] = []
    waiting = connect(placement.url)
    tenant_id = str(placement.tenant_id)
    change = "UPDATE trially.placement SET epoch = epoch + %s WHERE tenant_id = %s"

    def wait_and_ask() -> None:
        with waiting.cursor() as cursor:
            try:
                cursor.execute(opening)
                answers.append((cursor.fetchone() or ())[-1] if cursor.description else None)
            except DatabaseError as error:
                answers.append("stale" if error.pgcode in REFUSALS else "failed")
            cursor.execute("ROLLBACK")

    with server_access().administer(placement.url.database) as moving:
        execute(moving, "BEGIN;SELECT pg_advisory_xact_lock(uuid_hash_extended(%s, 0))", tenant_id)
        thread = threading.Thread(target=wait_and_ask)
        thread.start()
        time.sleep(WAIT_SECONDS)
        execute(moving, change, 1, tenant_id)
        execute(moving, "COMMIT")
        thread.join()
        execute(moving, change, -1, tenant_id)
    waiting.close()
    return answers == ["stale"]


def _role(placement: Placement) -> str:
    assert placement.url.username is not None
    return placement.url.username


if __name__ == "__main__":
    main()
