"""Open the provider of a master key by the key's URL."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from trially.errors import OperatorError
from trially.keys.providers.file_provider import FileProvider
from trially.keys.providers.provider import KeyProvider


class UnknownProviderError(OperatorError):
    """The URL of a master key names no provider."""


def open_provider(url: str, *, creates_file: bool = False) -> KeyProvider:
    """Return the provider of the master key with this URL. It is not contacted yet.

    `creates_file` lets a key ring's file be created on its first use.
    Raises `UnknownProviderError`.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest.startswith("/"):
        return FileProvider(Path(unquote(urlsplit(url).path)), creates=creates_file)
    raise UnknownProviderError(
        f"The master key {url!r} has no known form. Set it to a URL such as"
        " file:///etc/trially/master-key.json."
    )
