"""A provider that is away, refuses or has lost a key: what tenants meet."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from members import MakeTenant
from operator_records import Records

from trially import create_app
from trially.config import Settings, SettingsError
from trially.errors import OperatorError
from trially.keys.providers import (
    KeyContext,
    KeyProviderError,
    MasterKeyLostError,
    MasterKeyRefusedError,
    ProviderUnavailableError,
    WrappedKey,
)
from trially.state import app_state, state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import (
    DestroyedKeyError,
    NoMasterKeyError,
    UnknownKeyError,
    data_key,
    destroy_data_keys,
)
from trially.tenancy.data_keys.masters import Masters
from trially.tenancy.data_keys.model import TenantKey
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.terminal import NOTHING, command


class FailingProvider:
    """Passes calls on to another provider, or fails with `error`."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self.error: KeyProviderError | None = None

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        if self.error is not None:
            raise self.error
        secret: bytes = self._provider.unwrap(wrapped, context)
        return secret

    def wrap(self, secret: bytes, context: KeyContext) -> WrappedKey:
        if self.error is not None:
            raise self.error
        wrapped: WrappedKey = self._provider.wrap(secret, context)
        return wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)


@pytest.fixture
def forgetful(app: Flask, settings: Settings) -> Flask:
    """An app that keeps no unwrapped key longer than its provider's outage allows."""
    return create_app(replace(settings, data_key_max_age_seconds=0))


@pytest.fixture
def provider(forgetful: Flask) -> FailingProvider:
    keys = state_of(forgetful).data_keys
    failing = FailingProvider(keys.masters.current)
    keys.masters = Masters([lambda: failing])
    return failing


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    return make_tenant(Tier.POOLED_ROWS)


@pytest.fixture
def context(forgetful: Flask) -> Iterator[None]:
    with forgetful.app_context():
        yield


def test_a_known_key_is_used_while_the_provider_is_away(
    provider: FailingProvider, context: None, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    known = data_key(tenant.id)
    provider.error = ProviderUnavailableError("It does not answer.")

    assert data_key(tenant.id) == known
    with pytest.raises(ProviderUnavailableError):
        data_key(make_tenant(Tier.POOLED_ROWS).id)


def test_a_refusal_is_obeyed_at_once(
    provider: FailingProvider, context: None, tenant: Tenant
) -> None:
    data_key(tenant.id)
    provider.error = MasterKeyRefusedError("You may not.")

    with pytest.raises(MasterKeyRefusedError):
        data_key(tenant.id)


def test_a_destroyed_key_is_not_used_during_an_outage(
    provider: FailingProvider, context: None, app: Flask, tenant: Tenant
) -> None:
    data_key(tenant.id)
    provider.error = ProviderUnavailableError("It does not answer.")
    with app.app_context():
        destroy_data_keys(tenant.id)
    # As it happens within TRIALLY_PLACEMENT_MAX_AGE_SECONDS.
    app_state().data_keys.versions(tenant.id, fresh=True)
    assert len(app_state().data_keys._unwrapped) == 0

    with pytest.raises(DestroyedKeyError):
        data_key(tenant.id)


def test_a_tenant_is_not_created_without_its_key(
    provider: FailingProvider, forgetful: Flask
) -> None:
    provider.error = ProviderUnavailableError("It does not answer.")
    with forgetful.app_context():
        with pytest.raises(ProviderUnavailableError):
            create_tenant("without-a-key", "Without", tier=Tier.POOLED_ROWS)
        provider.error = None

        created = create_tenant("without-a-key", "With", tier=Tier.POOLED_ROWS)

        assert data_key(created.id).version == 1


@pytest.mark.parametrize(
    "error",
    [
        ProviderUnavailableError("The key provider at hsm.internal does not answer."),
        MasterKeyRefusedError("The key projects/secret-name is refused."),
        UnknownKeyError(UUID(int=7)),
        DestroyedKeyError(UUID(int=7), [1]),
    ],
)
def test_a_request_is_told_to_try_again_and_operators_are_told_why(
    app: Flask, caplog: pytest.LogCaptureFixture, error: OperatorError
) -> None:
    with app.test_request_context("/api/v1/sites"):
        answer = app.make_response(app.handle_user_exception(error))

    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["code"] == "data_key_unavailable"
    assert int(answer.headers["Retry-After"]) >= 1
    assert str(error) not in answer.get_data(as_text=True)
    assert str(error) in caplog.text


def test_commands_are_recorded_when_they_unwrap(
    app: Flask, tenant: Tenant, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    @command("unwrap", loses=NOTHING)
    def unwrap() -> None:
        data_key(tenant.id)

    with app.app_context():
        state_of(app).data_keys.forget(tenant.id)
    with caplog.at_level(logging.INFO, "trially.tenancy.data_keys"):
        result = app.test_cli_runner().invoke(unwrap)

    assert result.exit_code == 0, result.output
    start, noted, _end = records()[-3:]
    assert (noted["action"], str(noted["tenant_id"])) == ("data key unwrapped", str(tenant.id))
    assert noted["started"] == start["id"]
    assert noted["details"]["version"] == 1
    assert f"version 1 of the data key of the tenant {tenant.id}" in caplog.text
    with app.app_context():
        assert data_key(tenant.id).secret.hex() not in caplog.text + str(noted)


def test_without_a_master_key_tenants_have_no_data_key(app: Flask, settings: Settings) -> None:
    own = create_app(settings)
    state_of(own).data_keys.masters = Masters(())
    with own.app_context():
        created = create_tenant("no-master-key", "None", tier=Tier.POOLED_ROWS)
        with pytest.raises(NoMasterKeyError, match="TRIALLY_MASTER_KEY"):
            data_key(created.id)
    with app.app_context():
        assert data_key(created.id).version == 1


def test_a_row_that_was_wrapped_again_meanwhile_is_read_again(
    app: Flask, provider: FailingProvider, context: None, tenant: Tenant
) -> None:
    known = data_key(tenant.id)
    lost = MasterKeyLostError("The former version was destroyed.")

    class Forgetful(FailingProvider):
        def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
            if wrapped == former:
                raise lost
            return super().unwrap(wrapped, context)

    with catalog_transaction() as session:
        row = session.get_one(TenantKey, (tenant.id, 1))
        former = WrappedKey.parse(str(row.sealed))
        row.sealed = str(app_state().data_keys.masters.wrap(known))
    app_state().data_keys.masters = Masters([lambda: Forgetful(provider)])

    assert data_key(tenant.id) == known


@pytest.mark.parametrize("name", ["master_key", "previous_master_key"])
def test_a_url_without_a_provider_stops_the_start(settings: Settings, name: str) -> None:
    with pytest.raises(SettingsError, match=rf"TRIALLY_{name.upper()} cannot be used.*file:///"):
        create_app(replace(settings, **{name: "hsm:4711"}))
