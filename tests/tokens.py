"""A token of SoftHSM for tests, in a folder of its own."""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

PIN = "1234"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The token of this process of tests: the parts of a URI that name it and its module.

    A process loads the module and its tokens only once, so all tests of a process share a token.
    """
    module = next((path for path in MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: apt-get install softhsm2).")
    folder = tmp_path_factory.mktemp("token")
    tokens, settings = folder / "tokens", folder / "softhsm2.conf"
    tokens.mkdir()
    settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    label = "of tests"
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", label),
            *("--pin", PIN, "--so-pin", "567890"),
        ],
        check=True,
        capture_output=True,
    )
    return f"pkcs11:token={quote(label)};module-path={module}"


def key_uri(token: str, folder: Path) -> str:
    """Return the URI of a key of its own in a token, with the PIN in a file of the folder."""
    pin_file = folder / "pin"
    pin_file.write_text(f"{PIN}\n")
    path, _, module = token.partition(";")
    return f"{path};object={os.urandom(4).hex()}?{module}&pin-source={pin_file.as_uri()}"
