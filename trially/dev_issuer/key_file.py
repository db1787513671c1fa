"""The built-in issuer's private key, created once per machine."""

import os
import tempfile
from functools import cache
from pathlib import Path

from joserfc.jwk import RSAKey


def load_or_create_key(path: Path) -> RSAKey:
    """Return the key in the file `path`, which is created if it does not exist.

    If several processes create it at once, the first to link its file into place wins, and the
    others read that file. No process reads an incomplete file.
    """
    if not path.exists():
        _create_key(path)
    return _import_key(path.read_bytes())


@cache
def _import_key(pem: bytes) -> RSAKey:
    """Return the key of a file's content. Reading it again takes a tenth of a start's time."""
    key = RSAKey.import_key(pem)
    parameters = {"kid": key.thumbprint(), "alg": "RS256", "use": "sig"}
    return RSAKey.import_key(key.raw_value, parameters)  # type: ignore[arg-type]


def _create_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp creates a file that only its owner can read.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(RSAKey.generate_key(2048).as_pem(private=True))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        Path(temporary).unlink()
