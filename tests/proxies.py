"""A TCP proxy that can freeze: it goes on to accept bytes, and passes none on."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Passes connections on to a Unix socket. `frozen` are connections that it stalls."""

    target: str
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    pairs: dict[socket.socket, socket.socket] = field(default_factory=dict)
    frozen: set[socket.socket] = field(default_factory=set)
    freezes_new: bool = False
    is_stopped: bool = False

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def freeze(self, *, new_ones: bool) -> None:
        """Stall all connections that are open, and those still to come if `new_ones`."""
        self.frozen |= set(self.pairs)
        self.freezes_new = new_ones

    def thaw(self) -> None:
        self.frozen.clear()
        self.freezes_new = False

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while not self.is_stopped:
                ready = [key.fileobj for key, _ in selector.select(0.02)]
                if not [each for each in ready if each not in self.frozen]:
                    threading.Event().wait(0.005)
                for each in ready:
                    self._serve(each, selector)
        for each in [self.listener, *self.pairs]:
            each.close()

    def _serve(self, ready, selector) -> None:
        if ready is self.listener:
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.pairs |= {client: server, server: client}
            if self.freezes_new:
                self.frozen |= {client, server}
            for end in (client, server):
                selector.register(end, selectors.EVENT_READ)
        elif ready not in self.frozen and ready in self.pairs:
            try:
                data = ready.recv(65_536)
                if data:
                    self.pairs[ready].sendall(data)
            except OSError:
                data = b""
            if not data:
                for end in (ready, self.pairs[ready]):
                    selector.unregister(end)
                    self.pairs.pop(end)
                    end.close()


@contextlib.contextmanager
def running_proxy(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.is_stopped = True
        thread.join()
