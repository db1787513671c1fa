"""A provider that hangs or fails holds few threads, for a bounded time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID

import pytest

from trially.keys.providers import (
    KeyContext,
    MasterKeyLostError,
    ProviderUnavailableError,
    UnknownProviderError,
    WrappedKey,
    check_provider,
    open_provider,
)
from trially.keys.providers.bounded import MOST_CALLS, PAUSE_SECONDS, BoundedProvider

CONTEXT = KeyContext(UUID(int=1), 1)
WRAPPED = WrappedKey("fake", "master", "1", b"wrapped")


class FakeProvider:
    """Answers, hangs or fails as a test says, and counts its calls."""

    kind = "fake"
    key_name = "master"

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.hangs: Event | None = None

    def wrap(self, _secret: bytes, _context: KeyContext) -> WrappedKey:
        return WRAPPED

    def unwrap(self, _wrapped: WrappedKey, _context: KeyContext) -> bytes:
        self.calls += 1
        if self.hangs is not None:
            self.hangs.wait()
        if self.error is not None:
            raise self.error
        return b"secret"

    def newest_version(self) -> str:
        return "1"

    def create_version(self) -> str:
        return "2"

    def former_versions(self) -> list[str]:
        return ["1"]

    def destroy_version(self, version: str) -> None:
        self.destroyed = version

    def create_key(self) -> None:
        raise FileExistsError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_answers_pass_through(fake: FakeProvider, clock: Clock) -> None:
    bounded = BoundedProvider(fake, 5.0, clock)

    assert (bounded.kind, bounded.key_name) == ("fake", "master")
    assert bounded.wrap(b"secret", CONTEXT) == WRAPPED
    assert bounded.unwrap(WRAPPED, CONTEXT) == b"secret"
    assert (bounded.newest_version(), bounded.create_version()) == ("1", "2")
    bounded.destroy_version(*bounded.former_versions())
    assert fake.destroyed == "1"
    with pytest.raises(FileExistsError):
        bounded.create_key()


def test_a_provider_that_is_away_is_left_alone_for_a_pause(
    fake: FakeProvider, clock: Clock
) -> None:
    bounded = BoundedProvider(fake, 5.0, clock)
    fake.error = ProviderUnavailableError("It is away.")
    with pytest.raises(ProviderUnavailableError, match="It is away"):
        bounded.unwrap(WRAPPED, CONTEXT)

    for _ in range(3):
        with pytest.raises(ProviderUnavailableError, match="asked again"):
            bounded.unwrap(WRAPPED, CONTEXT)
    assert fake.calls == 1

    clock.now += PAUSE_SECONDS
    fake.error = None
    assert [bounded.unwrap(WRAPPED, CONTEXT) for _ in range(2)] == [b"secret"] * 2
    assert fake.calls == 3


def test_an_answer_about_one_tenant_stops_no_other(fake: FakeProvider, clock: Clock) -> None:
    bounded = BoundedProvider(fake, 5.0, clock)
    fake.error = MasterKeyLostError("This version is lost.")

    for _ in range(2):
        with pytest.raises(MasterKeyLostError):
            bounded.unwrap(WRAPPED, CONTEXT)

    fake.error = None
    assert bounded.unwrap(WRAPPED, CONTEXT) == b"secret"


def test_a_call_that_hangs_ends_for_its_caller(fake: FakeProvider, clock: Clock) -> None:
    bounded = BoundedProvider(fake, 0.01, clock)
    fake.hangs = Event()
    try:
        for _ in range(MOST_CALLS):
            with pytest.raises(ProviderUnavailableError, match=r"within 0.01 s"):
                bounded.unwrap(WRAPPED, CONTEXT)
            clock.now += PAUSE_SECONDS
        # All of them hang still, so the next call does not begin.
        with pytest.raises(ProviderUnavailableError, match="asked again"):
            bounded.unwrap(WRAPPED, CONTEXT)
        assert fake.calls == MOST_CALLS
    finally:
        fake.hangs.set()


def test_more_calls_than_run_at_once_wait_for_each_other(fake: FakeProvider, clock: Clock) -> None:
    bounded = BoundedProvider(fake, 20.0, clock)
    fake.hangs = Event()
    with ThreadPoolExecutor(MOST_CALLS + 4) as threads:
        calls = [threads.submit(bounded.unwrap, WRAPPED, CONTEXT) for _ in range(MOST_CALLS + 4)]
        fake.hangs.set()

        assert [call.result() for call in calls] == [b"secret"] * (MOST_CALLS + 4)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "one of these forms"),
        ("file:relative", "one of these forms"),
        ("gcp-kms://keys/K", "one of these forms"),
        ("aws-kms://alias/trially", "one of these forms"),
        ("pkcs11:token=t?module-path=/m&pin-source=file:/p", "lacks object"),
        ("pkcs11:token=t;object=o?module-path=/m&pin-value=1234", "lacks pin-source"),
    ],
)
def test_a_url_without_a_provider_is_refused(url: str, reason: str) -> None:
    for use in (check_provider, lambda url: open_provider(url, 5.0)):
        with pytest.raises(UnknownProviderError, match=reason) as raised:
            use(url)
        assert "1234" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("file:///etc/trially/master-key.json", "file"),
        ("gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K", "gcp-kms"),
        ("aws-kms://arn:aws:kms:eu-central-1:123456789012:alias/trially", "aws-kms"),
        ("pkcs11:token=t;object=o?module-path=/m&pin-source=file:/p", "pkcs11"),
    ],
)
def test_a_url_opens_its_provider_without_contact(url: str, kind: str) -> None:
    check_provider(url)

    assert open_provider(url, 5.0).kind == kind


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trially.keys.providers.opening.find_spec", lambda _name: None)

    with pytest.raises(UnknownProviderError, match=r"trially\[google-kms\]"):
        check_provider("gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K")
