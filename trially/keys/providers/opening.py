"""Open the provider of a master key by the key's URL.

The libraries of services and modules are optional. They are imported when their provider is used.
"""

from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from trially.keys.providers.bounded import BoundedProvider
from trially.keys.providers.errors import UnknownProviderError
from trially.keys.providers.file_provider import FileProvider
from trially.keys.providers.pkcs11_uri import EXAMPLE, parse_pkcs11_uri
from trially.keys.providers.provider import KeyProvider

FORMS = (
    "file:///etc/trially/master-key.json",
    "gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K",
    "aws-kms://arn:aws:kms:REGION:ACCOUNT:alias/NAME",
    EXAMPLE,
)


def open_provider(url: str, seconds: float, *, creates_file: bool = False) -> KeyProvider:
    """Return the provider of the master key with this URL. It is not contacted yet.

    Each of its calls ends within `seconds`. `creates_file` lets a key ring's file be created on its
    first use. Raises `UnknownProviderError`.
    """
    return BoundedProvider(_open(url, seconds, creates_file=creates_file), seconds)


def _open(url: str, seconds: float, *, creates_file: bool) -> KeyProvider:
    scheme, _, rest = url.partition(":")
    provider: KeyProvider
    if scheme == "file" and rest.startswith("/"):
        return FileProvider(Path(unquote(urlsplit(url).path)), creates=creates_file)
    if scheme == "gcp-kms" and rest.startswith("//projects/"):
        provider = _load("google_kms", "google-kms").GoogleKmsProvider(rest[2:], seconds)
        return provider
    if scheme == "aws-kms" and rest.startswith("//arn:") and rest.count(":") >= 5:
        provider = _load("aws_kms", "aws-kms").AwsKmsProvider(rest[2:], seconds)
        return provider
    if scheme == "pkcs11":
        key = parse_pkcs11_uri(url)
        provider = _load("pkcs11_provider", "pkcs11").Pkcs11Provider(key)
        return provider
    raise UnknownProviderError(
        "The URL of the master key names no provider. Set it to one of these forms:"
        f" {', '.join(FORMS)}."
    )


def _load(name: str, extra: str) -> Any:
    try:
        return import_module(f"trially.keys.providers.{name}")
    except ImportError as error:
        raise UnknownProviderError(
            f"The provider of the master key needs a library that is not installed ({error.name})."
            f" Install it: `pip install 'trially[{extra}]'`, or the pinned versions in"
            " requirements/key-providers.txt."
        ) from None
