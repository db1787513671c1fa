"""Engines of tenants' databases, created on demand; those of a server share one budget."""

from collections import deque
from collections.abc import Mapping, MutableMapping
from threading import Lock
from typing import Any
from uuid import UUID

import orjson
import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.pool import NullPool
from sqlalchemy.util import LRUCache

from trially.database.budget import BudgetedPool, ConnectionBudget
from trially.database.dialect import PlacedConnection, PlacedDialect, replace_if_closed
from trially.database.placement import (
    Placement,
    ReplicaPlacement,
    current_placement,
    has_placement,
)

ENGINES_KEPT = 2_000
"""An engine without connections takes some 20 kB."""
NETWORK_LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""libpq's limits for an unreachable host; a server's URL may override them.

All are in seconds or counts, except `tcp_user_timeout`, which is in milliseconds.
"""

STATEMENTS_CACHED = 1_000


class EngineRegistry:
    """One engine per bind key. The engines of a server share a dialect and a connection budget.

    A dialect queries the server when it first connects, and statements are compiled once per
    dialect. With a shared dialect, the first request of a further tenant pays for neither.
    """

    def __init__(
        self,
        engines: MutableMapping[str | None, Engine],
        connections_per_server: int,
        checkout_timeout_seconds: float,
        slow_seconds: float = float("inf"),
    ) -> None:
        self._engines = engines
        self._connections_per_server = connections_per_server
        self._checkout_timeout_seconds = checkout_timeout_seconds
        self._slow_seconds = slow_seconds
        self._bind_keys: deque[str] = deque()
        self._lock = Lock()
        self._servers: dict[str, tuple[PlacedDialect, ConnectionBudget]] = {}
        self._compiled: LRUCache[Any, Any] = LRUCache(STATEMENTS_CACHED)

    def engine_for(self, placement: Placement) -> Engine:
        """Return the engine of a placement; a changed URL replaces the engine."""
        engine = self._engines.get(placement.bind_key)
        if engine is not None and engine.url == placement.url:
            return engine
        with self._lock:
            engine = self._engines.get(placement.bind_key)
            if engine is not None and engine.url != placement.url:
                self._drop(placement.bind_key)
                engine = None
            if engine is None:
                engine = self._engines[placement.bind_key] = self._create_engine(placement)
                self._bind_keys.append(placement.bind_key)
            while len(self._bind_keys) > ENGINES_KEPT:
                self._drop(self._bind_keys[0])
            return engine

    def forget(self, bind_key: str) -> None:
        """Drop one engine and close its idle connections."""
        with self._lock:
            self._drop(bind_key)

    def budgets(self) -> Mapping[str, ConnectionBudget]:
        """Return the budget of each server that has an engine, by the server's name."""
        return {name: budget for name, (_, budget) in self._servers.items()}

    def _drop(self, bind_key: str) -> None:
        engine = self._engines.pop(bind_key, None)
        if engine is not None:
            self._bind_keys.remove(bind_key)
            engine.dispose()

    def _create_engine(self, placement: Placement) -> Engine:
        url = placement.url
        if placement.server not in self._servers:
            budget = ConnectionBudget(self._connections_per_server, self._checkout_timeout_seconds)
            self._servers[placement.server] = self._dialect_for(placement), budget
        dialect, budget = self._servers[placement.server]
        prepare: Any = dialect.on_connect()  # type: ignore[no-untyped-call]

        def open_connection() -> Any:
            raw = connect(url, connection_factory=PlacedConnection)
            prepare(raw)
            return raw

        pool = BudgetedPool(open_connection, budget, _current_tenant_id, dialect=dialect)
        event.listen(pool, "checkout", replace_if_closed)
        engine = Engine(pool, dialect, url, hide_parameters=True)
        return engine.execution_options(compiled_cache=self._compiled)

    def _dialect_for(self, placement: Placement) -> PlacedDialect:
        """Return a new dialect, or for a replica the one of its primary, which fits it too."""
        if isinstance(placement, ReplicaPlacement) and placement.primary in self._servers:
            return self._servers[placement.primary][0]
        dialect = _create_dialect(placement.url)
        dialect.slow_seconds = self._slow_seconds
        return dialect


def connect(
    url: URL,
    application_name: str = "trially",
    connection_factory: type[connection] = connection,
) -> connection:
    """Open a psycopg2 connection to `url`, in autocommit mode."""
    _, parameters = PGDialect_psycopg2().create_connect_args(url)  # type: ignore[no-untyped-call]
    raw: connection = psycopg2.connect(
        **{"application_name": application_name, **NETWORK_LIMITS, **parameters},
        connection_factory=connection_factory,
    )
    raw.autocommit = True
    return raw


def _current_tenant_id() -> UUID | None:
    """Return the key of the queue in which a checkout waits: one queue per tenant."""
    return current_placement().tenant_id if has_placement() else None


def _create_dialect(url: URL) -> PlacedDialect:
    """Create the dialect of a server, and let it query the server once for what it needs.

    As in SQLAlchemy's `create_engine`, this connection begins no transaction. It needs no guard,
    because it reads no tenant's rows.
    """
    dialect = PlacedDialect(  # type: ignore[no-untyped-call]
        dbapi=psycopg2,
        use_native_hstore=False,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    pool = NullPool(lambda: connect(url), dialect=dialect)  # type: ignore[arg-type]
    engine = Engine(pool, dialect, url)
    with Connection(engine, _has_events=False, _allow_autobegin=False) as unguarded:
        dialect.initialize(unguarded)  # type: ignore[no-untyped-call]
    return dialect
