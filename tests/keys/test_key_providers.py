"""The contract of providers, which each of them fulfils: the real ones, and against fakes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import boto3
import pytest
from fake_google_kms import NAME, running_fake
from moto import mock_aws
from moto.kms.models import kms_backends
from tokens import key_uri

from trially.keys.providers import (
    KeyContext,
    KeyProvider,
    KeyProviderError,
    MasterKeyLostError,
    MasterKeyRefusedError,
    ProviderUnavailableError,
    WrappedKey,
    WrongContextError,
    open_provider,
)
from trially.keys.providers.aws_kms import AwsKmsProvider
from trially.keys.providers.google_kms import GoogleKmsProvider
from trially.keys.providers.pkcs11_provider import Pkcs11Provider
from trially.keys.providers.pkcs11_uri import parse_pkcs11_uri

SECRET = bytes(range(32))
CONTEXT = KeyContext(UUID(int=1), 1)
SECONDS = 20.0
ACCOUNT = "123456789012"


@dataclass
class Bench:
    """A provider under test, and what a test may do to it."""

    open: Callable[[], KeyProvider]
    """Opens the provider as another process does."""

    new_version: Callable[[], object]
    """Creates a version, as the provider or an operator does it."""

    lose: Callable[[], object]
    """Takes the master key away."""

    refuse: Callable[[], object]
    """Withdraws this process's permission."""

    stop: Callable[[], object] = lambda: None
    """Makes the provider unreachable. A file always answers."""


@pytest.fixture
def file_bench(tmp_path: Path) -> Bench:
    path = tmp_path / "keys" / "master-key.json"
    open_provider(path.as_uri(), SECONDS).create_key()
    moved = path.with_name("moved")

    def open_() -> KeyProvider:
        return open_provider(path.as_uri(), SECONDS)

    return Bench(
        open_,
        lambda: open_().create_version(),
        lambda: path.rename(moved),
        lambda: path.chmod(0o644),
    )


@pytest.fixture
def gcp_bench() -> Iterator[Bench]:
    with running_fake() as fake:

        def open_() -> KeyProvider:
            return GoogleKmsProvider(NAME, SECONDS, fake.client())

        def refuse() -> None:
            fake.permits = False

        def stop() -> None:
            fake.port = 1

        yield Bench(
            open_,
            lambda: open_().create_version(),
            lambda: fake.disabled.update(fake.versions),
            refuse,
            stop,
        )


@pytest.fixture
def aws_bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    mocking = ExitStack()
    mocking.enter_context(mock_aws())
    kms = boto3.client("kms", region_name="eu-central-1")
    alias = f"arn:aws:kms:eu-central-1:{ACCOUNT}:alias/trially"
    keys = [kms.create_key()["KeyMetadata"]["KeyId"]]
    kms.create_alias(AliasName="alias/trially", TargetKeyId=keys[0])

    def new_version() -> None:
        keys.append(kms.create_key()["KeyMetadata"]["KeyId"])
        kms.update_alias(AliasName="alias/trially", TargetKeyId=keys[-1])

    def lose() -> None:
        # moto decrypts with a disabled key too, so the keys are removed.
        kms_backends[ACCOUNT]["eu-central-1"].keys.clear()

    def refuse() -> None:
        mocking.close()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")

    def stop() -> None:
        mocking.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    yield Bench(lambda: AwsKmsProvider(alias, SECONDS), new_version, lose, refuse, stop)
    mocking.close()


@pytest.fixture
def pkcs11_bench(tmp_path: Path, token: str) -> Iterator[Bench]:
    key = parse_pkcs11_uri(key_uri(token, tmp_path))
    provider = Pkcs11Provider(key)
    provider.create_key()

    def lose() -> None:
        with provider._keys() as keys:
            for each in keys.values():
                each.destroy()

    def refuse() -> None:
        provider._forget_session()
        key.pin_file.write_text("wrong")

    def stop() -> None:
        provider._forget_session()
        object.__setattr__(key, "module", tmp_path / "missing.so")

    # A process has one session with a token, so "another process" is the same provider here.
    yield Bench(lambda: provider, provider.create_version, lose, refuse, stop)
    provider._forget_session()


@pytest.fixture(params=["file", "gcp", "aws", "pkcs11"])
def bench(request: pytest.FixtureRequest) -> Bench:
    found: Bench = request.getfixturevalue(f"{request.param}_bench")
    return found


def test_a_key_is_unwrapped_by_another_process(bench: Bench) -> None:
    wrapped = bench.open().wrap(SECRET, CONTEXT)

    assert SECRET not in wrapped.ciphertext
    assert bench.open().unwrap(WrappedKey.parse(str(wrapped)), CONTEXT) == SECRET
    assert bench.open().wrap(SECRET, CONTEXT).ciphertext != wrapped.ciphertext


def test_a_wrapped_key_names_its_master_key_and_version(bench: Bench) -> None:
    provider = bench.open()

    wrapped = provider.wrap(SECRET, CONTEXT)

    assert (wrapped.kind, wrapped.key_name) == (provider.kind, provider.key_name)
    assert wrapped.key_version == provider.newest_version()


@pytest.mark.parametrize("context", [KeyContext(UUID(int=2), 1), KeyContext(UUID(int=1), 2)])
def test_a_key_is_bound_to_its_tenant_and_version(bench: Bench, context: KeyContext) -> None:
    provider = bench.open()
    wrapped = provider.wrap(SECRET, CONTEXT)

    with pytest.raises(WrongContextError, match=str(context.tenant_id)):
        provider.unwrap(wrapped, context)

    assert provider.unwrap(wrapped, CONTEXT) == SECRET


@pytest.mark.parametrize("position", [-1, -20, -40])
def test_a_changed_key_is_refused(bench: Bench, position: int) -> None:
    provider = bench.open()
    wrapped = provider.wrap(SECRET, CONTEXT)
    changed = bytearray(wrapped.ciphertext)
    changed[position] ^= 1
    other = WrappedKey(wrapped.kind, wrapped.key_name, wrapped.key_version, bytes(changed))

    with pytest.raises(WrongContextError):
        provider.unwrap(other, CONTEXT)


def test_a_new_version_wraps_and_the_former_ones_still_unwrap(bench: Bench) -> None:
    provider = bench.open()
    before = provider.wrap(SECRET, CONTEXT)

    bench.new_version()
    after = provider.wrap(SECRET, CONTEXT)

    assert after.key_version == bench.open().newest_version() != before.key_version
    assert [provider.unwrap(each, CONTEXT) for each in (before, after)] == [SECRET, SECRET]


def test_a_lost_key_is_named_with_what_to_do(bench: Bench) -> None:
    provider = bench.open()
    wrapped = provider.wrap(SECRET, CONTEXT)
    bench.lose()

    for call in (
        lambda: provider.unwrap(wrapped, CONTEXT),
        lambda: provider.wrap(SECRET, CONTEXT),
    ):
        with pytest.raises(MasterKeyLostError, match=r"(?i)restore|enable"):
            call()


def test_a_refusal_is_no_loss(bench: Bench) -> None:
    wrapped = bench.open().wrap(SECRET, CONTEXT)
    bench.refuse()

    with pytest.raises(MasterKeyRefusedError) as raised:
        bench.open().unwrap(wrapped, CONTEXT)
    assert SECRET.hex() not in str(raised.value)


@pytest.mark.parametrize("name", ["gcp", "aws", "pkcs11"])
def test_an_outage_is_no_loss_and_no_refusal(request: pytest.FixtureRequest, name: str) -> None:
    bench: Bench = request.getfixturevalue(f"{name}_bench")
    wrapped = bench.open().wrap(SECRET, CONTEXT)
    bench.stop()

    with pytest.raises(ProviderUnavailableError, match="Check"):
        bench.open().unwrap(wrapped, CONTEXT)


@pytest.mark.parametrize("name", ["gcp", "aws"])
def test_a_service_has_tools_of_its_own_to_create_keys(
    request: pytest.FixtureRequest, name: str
) -> None:
    provider = request.getfixturevalue(f"{name}_bench").open()

    with pytest.raises(KeyProviderError, match="Create the key with"):
        provider.create_key()


@pytest.mark.parametrize("name", ["file", "pkcs11"])
def test_former_versions_are_destroyed_for_good(request: pytest.FixtureRequest, name: str) -> None:
    bench: Bench = request.getfixturevalue(f"{name}_bench")
    provider = bench.open()
    before = provider.wrap(SECRET, CONTEXT)
    bench.new_version()
    after = provider.wrap(SECRET, CONTEXT)

    assert provider.former_versions() == ["1"]
    for version in ("1", "2"):
        provider.destroy_version(version)

    assert (provider.former_versions(), provider.newest_version()) == ([], "2")
    assert provider.unwrap(after, CONTEXT) == SECRET
    with pytest.raises(MasterKeyLostError):
        provider.unwrap(before, CONTEXT)


@pytest.mark.parametrize("name", ["gcp", "aws"])
def test_a_service_destroys_versions_with_tools_of_its_own(
    request: pytest.FixtureRequest, name: str
) -> None:
    provider = request.getfixturevalue(f"{name}_bench").open()

    for call in (provider.former_versions, lambda: provider.destroy_version("1")):
        with pytest.raises(KeyProviderError, match="after"):
            call()


def test_a_key_in_a_token_is_created_once_and_cannot_be_read(pkcs11_bench: Bench) -> None:
    from pkcs11 import Attribute

    provider = pkcs11_bench.open()
    assert isinstance(provider, Pkcs11Provider)
    with pytest.raises(FileExistsError):
        provider.create_key()
    with provider._keys() as keys:
        (key,) = keys.values()
        assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
