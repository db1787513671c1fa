"""Hold the port of the development server from the start, so that a busy one is reported at once.

`make run` also runs this file as a program before it installs anything, so it imports only the
standard library.
"""

from __future__ import annotations  # an older Python must reach the check of its version

import errno
import os
import re
import socket
import sys
from pathlib import Path

DEFAULT_PORT = 5000
PUBLIC_URL = re.compile(r"^\s*(?:export\s+)?TRIALLY_PUBLIC_URL\s*=", re.MULTILINE)
SETTINGS_FILE = Path("instance", "settings.env")


class PortUnavailableError(Exception):
    """The port cannot be listened on; the message says why, and what to do."""


def hold_port(host: str, port: int) -> socket.socket:
    """Return a bound socket that does not listen yet. Raises `PortUnavailableError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    holder = socket.socket(family, socket.SOCK_STREAM)
    try:
        try:
            holder.bind((host, port))
        except OSError:
            # Closed connections of a former server may remain. With SO_REUSEADDR they do not
            # count, and another socket does, unless it was also bound with SO_REUSEADDR. So the
            # first attempt is without it.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((host, port))
    except OSError as error:
        holder.close()
        raise PortUnavailableError(_explain(host, port, error)) from None
    return holder


def listen(holder: socket.socket, backlog: int) -> None:
    """Listen at a port that is held, so that the next server can hold it as soon as this one ends.

    Connections keep the options of their listener. Without SO_REUSEADDR, those that this server
    closed, or that clients had open when it was killed, would occupy the port for a minute.
    """
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.listen(backlog)


def _explain(host: str, port: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"You may not listen on port {port}. Choose a port from 1024 on."
    if isinstance(error, socket.gaierror):
        return f"The host {host!r} is unknown. Pass an address of this machine with --host."
    if error.errno == errno.EADDRINUSE:
        return (
            f"Another process already listens on {host}:{port}. Choose another port:"
            " `make run PORT=…` or `flask demo serve --port …`."
        )
    return f"{host}:{port} cannot be listened on: {error.strerror}."


def has_public_url() -> bool:
    """Return whether a public URL is configured, whose port is then the default."""
    text = SETTINGS_FILE.read_text("utf-8") if SETTINGS_FILE.exists() else ""
    return "TRIALLY_PUBLIC_URL" in os.environ or bool(PUBLIC_URL.search(text))


def main(arguments: list[str]) -> str | None:
    """Return why `make run` cannot serve at a port, or None."""
    if not arguments and has_public_url():
        return None
    text = arguments[0] if arguments else str(DEFAULT_PORT)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        return f"PORT is {text!r}. Set it to a number from 1 to 65535."
    try:
        hold_port("127.0.0.1", int(text)).close()
    except PortUnavailableError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
