"""What the server answers itself: problems like the app's, and nothing for smuggled requests."""

import re
import socket
from collections.abc import Iterator

import pytest
from servers import Server, is_closed, read_answer, serve

from serving.problems import TOO_MANY, TOO_SLOW
from trially.http.codes import Code

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

REFUSED = {
    "no request": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad_request"),
    "no version": (b"GET /\r\n\r\n", 400, "bad_request"),
    "wrong version": (b"GET / HTTP/3.0\r\n\r\n", 400, "bad_request"),
    "lower-case method": (b"get / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "bytes in the path": (b"GET /\xff HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "bare LF": (b"GET / HTTP/1.1\nHost: localhost\n\n", 400, "bad_request"),
    "bare LF later": (GET + b"X: y\nZ: z\r\n\r\n", 400, "bad_request"),
    "space before colon": (GET + b"X : y\r\n\r\n", 400, "bad_request"),
    "folded header": (GET + b"X: y\r\n z\r\n\r\n", 400, "bad_request"),
    "two hosts": (GET + b"Host: elsewhere\r\n\r\n", 400, "bad_request"),
    "long line": (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
    "endless line": (b"GET /" + b"a" * 5000, 414, "uri_too_long"),
    "many headers": (
        GET + b"".join(b"X-%d: y\r\n" % number for number in range(70)) + b"\r\n",
        431,
        "request_header_fields_too_large",
    ),
    "large header": (GET + b"X: " + b"y" * 9000 + b"\r\n\r\n", 431, None),
    "endless headers": (GET + b"X: " + b"y" * 70_000, 431, "request_header_fields_too_large"),
    "expectation": (POST + b"Expect: miracles\r\n\r\n", 417, "expectation_failed"),
    "unknown coding": (POST + b"Transfer-Encoding: brotli\r\n\r\n", 501, "not_implemented"),
    "length and coding": (
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        400,
        "bad_request",
    ),
    "two lengths": (
        POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED,
        400,
        "bad_request",
    ),
    "list of lengths": (POST + b"Content-Length: 0, 44\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "signed length": (POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "superscript length": (POST + b"Content-Length: \xb2\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "chunked twice": (
        POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        400,
        "bad_request",
    ),
    "chunked, identity": (
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        400,
        "bad_request",
    ),
    "HTTP/1.0 chunked": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        400,
        "bad_request",
    ),
    "chunk size with sign": (CHUNKED + b"+1\r\nx\r\n0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "chunk size 0x": (CHUNKED + b"0x1\r\nx\r\n0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "chunk size with LF": (CHUNKED + b"1\nx\r\n0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "chunk size with space": (CHUNKED + b" 1\r\nx\r\n0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "chunk longer": (CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "chunk ends in LF": (CHUNKED + b"1\r\nx\n0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "no chunk size": (CHUNKED + b"\r\nx\r\n0\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "bad chunk extension": (
        CHUNKED + b"1;\x00\r\nx\r\n0\r\n\r\n" + SMUGGLED,
        400,
        "bad_request",
    ),
    "bad trailer": (CHUNKED + b"0\r\nContent-Length: 1\r\n\r\n" + SMUGGLED, 400, "bad_request"),
    "crash": (b"GET /crash HTTP/1.1\r\nHost: localhost\r\n\r\n", 500, "internal_error"),
}

CUT_OFF = {
    "head": GET,
    "length": POST + b"Content-Length: 10\r\n\r\n12345",
    "chunk": CHUNKED + b"a\r\n12345",
    "after a chunk": CHUNKED + b"5\r\n12345\r\n",
    "before the trailers' end": CHUNKED + b"5\r\n12345\r\n0\r\n",
    "large length": POST + b"Content-Length: 3000000\r\n\r\n" + b"x" * 2_000_000,
    "huge chunk": CHUNKED + b"f" * 40 + b"\r\nx",
    "large chunk": CHUNKED + b"300000\r\n" + b"x" * 2_000_000,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("errors")) as running:
        yield running


@pytest.mark.parametrize("case", REFUSED)
def test_a_malformed_request_is_refused_with_a_problem(case: str, server: Server) -> None:
    request, status, code = REFUSED[case]
    sock = server.connect()
    sock.sendall(request)
    answer = read_answer(sock)
    assert answer.status == status
    problem = answer.problem()
    assert problem["code"] == (code or problem["code"])
    assert answer.headers["connection"] == "close"
    assert is_closed(sock)
    assert "secret" not in answer.body.decode()
    assert "smuggled" not in server.log.read_text()


@pytest.mark.parametrize("case", CUT_OFF)
def test_a_request_that_is_cut_off_is_not_complete(case: str, server: Server) -> None:
    sock = server.connect()
    sock.sendall(CUT_OFF[case])
    sock.shutdown(socket.SHUT_WR)
    assert read_answer(sock).problem()["code"] == "bad_request"
    assert is_closed(sock)


def test_the_request_id_of_the_client_is_sent_back(server: Server) -> None:
    for sent, is_valid in (("mine-1", True), ("bad id", False), ("a" * 65, False)):
        sock = server.connect()
        sock.sendall(POST + f"X-Request-ID: {sent}\r\nExpect: no\r\n\r\n".encode())
        # The error comes before the other fields are known.
        assert read_answer(sock).status == 417
        sock = server.connect()
        sock.sendall(CHUNKED.replace(b"\r\n\r\n", f"\r\nX-Request-ID: {sent}\r\n\r\nz".encode()))
        sock.shutdown(socket.SHUT_WR)
        assert (read_answer(sock).problem()["request_id"] == sent) is is_valid


def test_requests_that_are_well_formed_are_answered(server: Server) -> None:
    sock = server.connect()
    bodies = {
        GET + b"\r\n": 0,
        b"\r\n" + GET + b"\r\n": 0,
        POST + b"Content-Length: 3\r\n\r\nabc": 3,
        CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n": 5,
        CHUNKED + b"3\r\nabc\r\n0\r\nX-Trailer: x\r\n\r\n": 3,
        POST.replace(b"/a", b"/unread") + b"Content-Length: 3\r\n\r\nabc": 0,
    }
    for request, length in bodies.items():
        sock.sendall(request)
        answer = read_answer(sock)
        assert (answer.status, int(answer.body.split()[-1])) == (200, length), request
    # One byte after the other, and all at once.
    for byte in CHUNKED + b"3\r\nabc\r\n0\r\n\r\n":
        sock.sendall(bytes([byte]))
    assert read_answer(sock).body.endswith(b"/a 3")
    sock.sendall(b"".join(bodies))
    received = b""
    while len(re.findall(rb"HTTP/1.1 200 OK", received)) < len(bodies):
        received += sock.recv(65536)


def test_an_upload_is_expected_before_it_is_sent(server: Server) -> None:
    for length in (5, 2_000_000):
        sock = server.connect()
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length)
        assert sock.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"x" * length)
        assert read_answer(sock).body.endswith(b" %d" % length)


def test_headers_from_a_proxy_name_no_script(server: Server) -> None:
    sock = server.connect()
    sock.sendall(GET + b"SCRIPT_NAME: /a\r\nPATH_INFO: /b\r\n\r\n")
    assert b" /a 0" in read_answer(sock).body


def test_codes_of_the_server_are_codes_of_the_app() -> None:
    assert {TOO_MANY.name, TOO_SLOW.name, "bad_request", "internal_error"} <= {*Code}
