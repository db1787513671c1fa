"""A TCP proxy before PostgreSQL that can delay, cut, refuse, swallow or freeze connections.

It runs as a program of its own, so that it does not share the interpreter with the load.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults.ports import free_port
from trially.config import ROOT

CHUNK = 65_536
PASS = "pass"
DELAY = "delay"
"""Every chunk is 100 ms late, in both directions."""
CUT = "cut"
"""Open connections are reset, once. New ones pass."""
REFUSE = "refuse"
"""Open connections are reset, and new ones are refused: nothing listens."""
SWALLOW = "swallow"
"""Connections are accepted and bytes are acknowledged by TCP, but nothing is forwarded."""
FREEZE = "freeze"
"""Connections that are open now are silent for ever. New ones pass."""
DELAY_SECONDS = 0.1
START_TIMEOUT_SECONDS = 10


@dataclass
class Proxy:
    """The proxy as its parent sees it."""

    port: int
    process: "subprocess.Popen[str]"

    def set(self, mode: str) -> None:
        """Change the mode, and return when it applies."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{mode}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != mode:
            raise RuntimeError(f"The proxy answered {answer!r} to {mode!r}.")

    @contextmanager
    def being(self, mode: str) -> Iterator[None]:
        """Be in a mode during the block, and pass everything after it."""
        self.set(mode)
        try:
            yield
        finally:
            self.set(PASS)


@contextmanager
def running_proxy(socket_path: Path) -> Iterator[Proxy]:
    """Forward a free loopback port to a Unix socket."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "faults.proxy", str(port), str(socket_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    proxy = Proxy(port, process)
    try:
        proxy.set(PASS)
        yield proxy
    finally:
        process.kill()
        process.communicate()


class _Forwarder:
    def __init__(self, port: int, target: str) -> None:
        self._port, self._target = port, target
        self._mode = PASS
        self._generation = 0
        self._frozen_before = 0
        self._is_forwarding = asyncio.Event()
        self._is_forwarding.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def change(self, mode: str) -> None:
        self._generation += 1
        self._mode = mode
        if mode == FREEZE:
            self._frozen_before = self._generation
        if mode in {CUT, REFUSE}:
            for writer in list(self._open):
                writer.transport.abort()
        if mode == SWALLOW:
            self._is_forwarding.clear()
        else:
            self._is_forwarding.set()
        if mode == REFUSE and self._server is not None:
            self._server.close()
            self._server = None
        if mode != REFUSE and self._server is None:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self._port, backlog=500
            )

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        generation = self._generation
        await self._is_forwarding.wait()
        try:
            onward, back = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._forward(reader, back, generation), self._forward(onward, writer, generation)
            )
        self._open -= {writer, back}

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, generation: int
    ) -> None:
        """Forward chunks until one side closes; then close the other."""
        while chunk := await reader.read(CHUNK):
            if self._mode == DELAY:
                await asyncio.sleep(DELAY_SECONDS)
            await self._is_forwarding.wait()
            if generation >= self._frozen_before:
                writer.write(chunk)
                await writer.drain()
        await self._is_forwarding.wait()
        if generation >= self._frozen_before:
            writer.close()


async def _serve(port: int, target: str) -> None:
    forwarder = _Forwarder(port, target)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        mode = line.decode().strip()
        await forwarder.change(mode)
        print(mode, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
