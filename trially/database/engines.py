"""The engines of tenant databases: made on demand, found by bind key, closed when long unused."""

from collections import OrderedDict
from collections.abc import MutableMapping
from threading import Lock
from typing import Any

import orjson
import psycopg2
from psycopg2.extensions import connection
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.util import LRUCache

from trially.database.dialect import PlacedDialect, open_at_checkout
from trially.database.placement import Placement

ENGINES_KEPT = 24
IDLE_CONNECTIONS_KEPT = 4
CHECKOUT_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 5
KEEPALIVE_IDLE_SECONDS = 30
STATEMENTS_CACHED = 1_000


class EngineRegistry:
    """One engine per bind key, all with one dialect and one cache of compiled statements.

    A dialect asks the server some questions when it first connects and a statement is compiled
    once per dialect: sharing both makes the thousandth tenant's first request as cheap as the
    first tenant's second.
    """

    def __init__(self, engines: MutableMapping[str | None, Engine], connections: int) -> None:
        self._engines = engines
        self._connections = connections
        self._used: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()
        self._dialect: PlacedDialect | None = None
        self._compiled: LRUCache[Any, Any] = LRUCache(STATEMENTS_CACHED)

    def engine_for(self, placement: Placement) -> Engine:
        """Return the engine that leads to `placement`."""
        with self._lock:
            engine = self._engines.get(placement.bind_key)
            if engine is not None and engine.url != placement.url:
                engine.dispose()
                engine = None
            if engine is None:
                engine = self._engines[placement.bind_key] = self._make_engine(placement.url)
            self._used[placement.bind_key] = None
            self._used.move_to_end(placement.bind_key)
            self._close_least_recently_used()
            return engine

    def forget(self, bind_key: str) -> None:
        """Close the idle connections of one engine and drop it."""
        with self._lock:
            self._used.pop(bind_key, None)
            engine = self._engines.pop(bind_key, None)
        if engine is not None:
            engine.dispose()

    def _make_engine(self, url: URL) -> Engine:
        dialect = self._dialect = self._dialect or _learned_dialect(url)
        prepare: Any = dialect.on_connect()  # type: ignore[no-untyped-call]

        def open_connection() -> Any:
            raw = connect(url)
            prepare(raw)
            return raw

        idle = min(IDLE_CONNECTIONS_KEPT, self._connections)
        pool = QueuePool(
            open_connection,
            pool_size=idle,
            max_overflow=self._connections - idle,
            timeout=CHECKOUT_TIMEOUT_SECONDS,
            use_lifo=True,
            dialect=dialect,
        )
        event.listen(pool, "checkout", open_at_checkout)
        engine = Engine(pool, dialect, url, hide_parameters=True)
        return engine.execution_options(compiled_cache=self._compiled)

    def _close_least_recently_used(self) -> None:
        while len(self._used) > ENGINES_KEPT:
            bind_key, _ = self._used.popitem(last=False)
            self._engines.pop(bind_key).dispose()


def connect(url: URL, application_name: str = "trially") -> connection:
    """Open a psycopg2 connection to `url`, in autocommit mode."""
    _, parameters = PGDialect_psycopg2().create_connect_args(url)  # type: ignore[no-untyped-call]
    raw: connection = psycopg2.connect(
        **parameters,
        application_name=application_name,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        keepalives_idle=KEEPALIVE_IDLE_SECONDS,
    )
    raw.autocommit = True
    return raw


def _learned_dialect(url: URL) -> PlacedDialect:
    """Make the dialect and let it ask the server what it needs to know, once.

    As in `create_engine`, this connection begins no transaction: there is no tenant to guard.
    """
    dialect = PlacedDialect(  # type: ignore[no-untyped-call]
        dbapi=psycopg2,
        use_native_hstore=False,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    pool = NullPool(lambda: connect(url), dialect=dialect)  # type: ignore[arg-type]
    engine = Engine(pool, dialect, url)
    with Connection(engine, _has_events=False, _allow_autobegin=False) as asking:
        dialect.initialize(asking)  # type: ignore[no-untyped-call]
    return dialect
