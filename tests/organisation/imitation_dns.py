"""An imitation of a DNS server: it answers TXT records that a test gives it."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SECONDS_TO_LIVE = 60


class ImitationDns(socketserver.UDPServer):
    """A server on a port of 127.0.0.1. `records` are texts by name; `is_silent` answers nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Question)
        self.records: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.is_silent = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def answer(self, wire: bytes) -> bytes:
        question = dns.message.from_wire(wire)
        name = question.question[0].name
        self.asked.append(name.to_text(omit_final_dot=True))
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        texts = self.records.get(self.asked[-1])
        if texts is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            quoted = [f'"{text}"' for text in texts]
            kind = dns.rdatatype.TXT
            answer.answer.append(dns.rrset.from_text(name, SECONDS_TO_LIVE, "IN", kind, *quoted))
        return answer.to_wire()


class _Question(socketserver.BaseRequestHandler):
    server: ImitationDns

    def handle(self) -> None:
        wire, socket = self.request
        answer = self.server.answer(wire)
        if not self.server.is_silent:
            socket.sendto(answer, self.client_address)


@contextmanager
def imitation_dns() -> Iterator[ImitationDns]:
    with ImitationDns() as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
