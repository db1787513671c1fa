"""The reasons why a provider does not wrap or unwrap a data key."""

from trially.errors import OperatorError


class KeyProviderError(OperatorError):
    """A provider did not wrap or unwrap a data key. No message contains a secret."""


class ProviderUnavailableError(KeyProviderError):
    """The provider cannot be reached, or did not answer in time. Trying again may succeed."""


class MasterKeyRefusedError(KeyProviderError):
    """The provider does not let this process use the master key."""


class MasterKeyLostError(KeyProviderError):
    """The provider does not have the master key or its version, or has disabled it."""


class WrongContextError(KeyProviderError):
    """The wrapped key was changed, or belongs to another tenant or version."""

    @classmethod
    def of(cls, context: object) -> "WrongContextError":
        """Return the error of a wrapped key that was read in a context."""
        return cls(
            f"The row of {context} in the catalog was changed, or belongs to another tenant or"
            " version. Restore the row from a backup of the catalog."
        )


class UnknownProviderError(OperatorError):
    """The URL of a master key names no provider, or one whose library is missing."""
