"""Why an issuer has no key for a token."""


class UnknownKeyError(LookupError):
    """The issuer has no key with this `kid`.

    `as_of` is the time of the fetch that shows it, in seconds since 1970. A key may have been
    published after that, if too many unknown keys were searched to search this one. It is infinite
    if the fetch began after the key was asked for.
    """

    def __init__(self, message: str = "", as_of: float = float("inf")) -> None:
        super().__init__(message)
        self.as_of = as_of


class KeysUnavailableError(LookupError):
    """The issuer's keys could not be fetched, so the token can be neither accepted nor rejected."""
