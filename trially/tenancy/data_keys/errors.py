"""Why a tenant's data key cannot be used, apart from its provider's reasons."""

from collections.abc import Sequence
from uuid import UUID

from trially.errors import OperatorError
from trially.keys.providers import KeyProviderError


class NoMasterKeyError(KeyProviderError):
    """The setting `TRIALLY_MASTER_KEY` is missing."""

    def __init__(self) -> None:
        super().__init__(
            "TRIALLY_MASTER_KEY is not set, so that no data key can be wrapped or unwrapped. Set it"
            " to the URL of this installation's master key; see docs/keys.md."
        )


class UnknownKeyError(OperatorError):
    """The tenant has no data key, or none of this version."""

    def __init__(self, tenant_id: UUID, version: int | None = None) -> None:
        if version is None:
            sentence = "has no data key. `flask keys rotate-data TENANT` creates one."
        else:
            sentence = (
                f"has no data key of the version {version} here: it was erased, or it is of another"
                " installation. What that key encrypts cannot be read."
            )
        super().__init__(f"The tenant {tenant_id} {sentence}")


class DestroyedKeyError(OperatorError):
    """The data key was destroyed. The values that it encrypts cannot be read by anybody."""

    def __init__(self, tenant_id: UUID, versions: Sequence[int]) -> None:
        super().__init__(
            f"The data key of the tenant {tenant_id} was destroyed (version"
            f" {', '.join(map(str, versions))}). The values that it encrypts cannot be read."
        )
