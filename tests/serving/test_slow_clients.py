"""A slow client holds a socket and some memory, and no thread."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from servers import is_closed, read_answer, serve, wait_until

CROWD = 64
"""Many more than the server has threads."""

HEAD = b"POST /dripped HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
QUICK = {
    "WEB_HEADER_SECONDS": "2",
    "WEB_TRANSFER_GRACE_SECONDS": "2",
    "WEB_MINIMUM_BYTES_PER_SECOND": "100",
}
DRIPPED = {
    "headers": HEAD + b"X-Dripped: ",
    "body": HEAD + b"Content-Length: 1000\r\n\r\n{",
    "body of a member": HEAD + b"Authorization: Bearer good\r\nContent-Length: 1000\r\n\r\n{",
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n{",
    "size of a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0",
    "trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ",
}


@contextmanager
def dripping(sockets: list[socket.socket]) -> Iterator[None]:
    """Send a byte on each socket every 0.1 s, until the block ends."""
    has_ended = threading.Event()

    def drip() -> None:
        while not has_ended.wait(0.1):
            for each in sockets:
                with suppress(OSError):
                    each.send(b"1")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


@pytest.mark.parametrize("begin", DRIPPED.values(), ids=DRIPPED)
def test_dripping_clients_delay_nobody_and_are_closed(begin: bytes, tmp_path: Path) -> None:
    with serve(tmp_path, **QUICK) as server:
        drippers = [server.connect() for _ in range(CROWD)]
        began = time.monotonic()
        for each in drippers:
            each.sendall(begin)
        with dripping(drippers):
            honest = server.keep()
            answered = 0
            while time.monotonic() < began + 1:
                for path in ("/livez", "/honest"):
                    honest.request("GET", path)
                    response = honest.getresponse()
                    assert (response.status, response.read() != b"") == (200, True)
                    answered += 1
            # While every dripper was still connected, and none had been answered.
            assert answered > CROWD
            for each in drippers:
                answer = read_answer(each)
                assert (answer.status, answer.problem()["code"]) == (408, "request_too_slow")
        assert server.get("/honest")[0] == 200


def test_an_upload_that_drips_frees_its_thread(tmp_path: Path) -> None:
    limits = {**QUICK, "TRIALLY_MAX_BODY_BYTES": "1000"}
    with serve(tmp_path, **limits) as server:
        uploads = [server.connect() for _ in range(2)]
        for each in uploads:
            each.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 5000)
        with dripping(uploads):
            assert server.get("/livez")[0] == 200
            for each in uploads:
                answer = read_answer(each)
                assert (answer.status, answer.problem()["code"]) == (408, "request_too_slow")
        assert server.get("/honest")[0] == 200


def test_an_upload_that_pauses_and_goes_on_is_complete(tmp_path: Path) -> None:
    limits = {**QUICK, "TRIALLY_MAX_BODY_BYTES": "1000", "WEB_MINIMUM_BYTES_PER_SECOND": "1000"}
    with serve(tmp_path, **limits) as server:
        upload = server.connect()
        upload.sendall(HEAD + b"Content-Length: 9000\r\n\r\n")
        for _ in range(3):
            time.sleep(0.8)
            upload.sendall(b"x" * 3000)
        assert read_answer(upload).body.endswith(b" /dripped 9000")


def test_clients_that_do_not_read_hold_no_thread(tmp_path: Path) -> None:
    with serve(tmp_path, **QUICK) as server:
        readers = [server.connect() for _ in range(4)]
        for each in readers:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(4)
        assert server.get("/honest")[0] == 200
        for each in readers:
            received = 0
            with suppress(ConnectionError):
                while part := each.recv(1 << 16):
                    received += len(part)
            assert received < 8_000_000


def test_a_client_that_reads_slowly_gets_the_whole_answer(tmp_path: Path) -> None:
    with serve(tmp_path, **QUICK) as server:
        reader = server.connect()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reader.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1)
        assert len(read_answer(reader).body) == 8_000_000
        reader.sendall(b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(reader).status == 200


def test_connections_that_send_nothing_are_closed(tmp_path: Path) -> None:
    with serve(tmp_path, **QUICK) as server:
        silent = [server.connect() for _ in range(CROWD)]
        assert server.get("/livez")[0] == 200
        assert all(is_closed(each) for each in silent)


def refused(sockets: list[socket.socket]) -> list[socket.socket]:
    """Return the connections that have been answered or closed within a second."""
    time.sleep(1)
    ended = []
    for each in sockets:
        each.settimeout(0.01)
        try:
            each.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        ended.append(each)
    return ended


def test_an_address_may_hold_so_many_unauthenticated_connections(tmp_path: Path) -> None:
    limits = {"WEB_UNAUTHENTICATED_PER_ADDRESS": "5", "FORWARDED_ALLOW_IPS": "127.0.0.9"}
    with serve(tmp_path, **limits) as server:
        authenticated = []
        for _ in range(8):
            authenticated.append(each := server.connect("127.0.0.2"))
            each.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\r\n")
            assert read_answer(each).status == 200
        others = [server.connect(f"127.0.0.{number}") for number in (3, 4, 5, 6, 7, 8)]
        proxied = [server.connect("127.0.0.9") for _ in range(8)]
        unknown = []
        for _ in range(8):
            unknown.append(server.connect("127.0.0.2"))
            unknown[-1].sendall(HEAD)
            time.sleep(0.02)
        assert refused([*authenticated, *others, *proxied, *unknown]) == unknown[:3]
        problem = read_answer(unknown[0]).problem()
        assert (problem["status"], problem["code"]) == (503, "too_many_connections")

        # An honest client of the same address is served, in place of the one that waits longest.
        honest = server.connect("127.0.0.2")
        honest.sendall(b"GET /honest HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(honest).status == 200


def test_a_worker_holds_so_many_connections(tmp_path: Path) -> None:
    with serve(tmp_path, WEB_CONNECTIONS="10") as server:
        wait_until(lambda: not server.count_connections()[0], server)
        member = server.connect()
        member.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\r\n")
        assert read_answer(member).status == 200
        crowd = [server.connect() for _ in range(30)]
        assert len(refused([member, *crowd])) == 21
        member.settimeout(5)
        member.sendall(b"GET /again HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(member).status == 200


def test_a_worker_buffers_so_many_bytes(tmp_path: Path) -> None:
    limits = {"WEB_BUFFER_BYTES": "100000", "TRIALLY_MAX_BODY_BYTES": "50000"}
    with serve(tmp_path, **limits) as server:
        senders = [server.connect() for _ in range(4)]
        for each in senders:
            each.sendall(HEAD + b"Content-Length: 50000\r\n\r\n" + b"x" * 40_000)
            time.sleep(0.1)
        assert refused(senders) == senders[:2]
        senders[3].settimeout(5)
        senders[3].sendall(b"x" * 10_000)
        assert read_answer(senders[3]).status == 200
        assert server.get("/honest")[0] == 200


def test_invalid_limits_stop_the_start(tmp_path: Path) -> None:
    for name, value in {
        "WEB_HEADER_SECONDS": "soon",
        "WEB_CONNECTIONS": "0",
        "WEB_BUFFER_BYTES": "1000",
        "WEB_LINGER_SECONDS": "nan",
    }.items():
        with (
            pytest.raises(AssertionError, match=rf"{name}=\S+ is "),
            serve(tmp_path, **{name: value}),
        ):
            pass
