"""Signatures of webhooks are those of Standard Webhooks 1.0."""

import base64
from uuid import uuid4

from trially.keys.data_keys import new_data_key
from trially.keys.webhooks import secret_text, webhook_secret, webhook_signature


def test_the_vector_of_the_specifications_libraries() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = webhook_signature(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_endpoint_and_generation_has_a_secret_of_its_own() -> None:
    tenant_id, endpoint_id = uuid4(), uuid4()
    key = new_data_key(tenant_id, 1)
    secrets = {
        webhook_secret(key, endpoint_id, 1),
        webhook_secret(key, endpoint_id, 2),
        webhook_secret(key, uuid4(), 1),
        webhook_secret(new_data_key(tenant_id, 2), endpoint_id, 1),
    }

    assert len(secrets) == 4
    assert webhook_secret(key, endpoint_id, 1) in secrets
    for secret in secrets:
        assert 24 <= len(secret) <= 64
        assert base64.b64decode(secret_text(secret).removeprefix("whsec_")) == secret
