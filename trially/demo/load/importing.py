"""An importer: uploads patients as jobs, one file after the other, and follows each to its end."""

import json
import time
from collections.abc import Iterator
from typing import Any

from trially.demo.load.clients import Request
from trially.demo.load.fictions import describe_resource
from trially.demo.load.findings import FindingKind
from trially.demo.load.sending import Sender, Sent
from trially.demo.load.traffic import Kind

SOURCE = "load"
"""Each file has the same patients with other phone numbers, so the source does not grow."""

NDJSON = "application/fhir+ndjson"
ENDED = frozenset({"done", "failed", "cancelled"})
LONGEST_SECONDS = 180.0
"""An import that has not ended by then is reported. A killed worker's lease alone takes 30."""

QUESTIONS_SECONDS = 0.1


class Importer:
    """Imports `patients` patients of one tenant again and again."""

    def __init__(self, sender: Sender, patients: int) -> None:
        self.done, self.total = 0, 0
        """How far the present import is, in its own unit."""

        self._sender, self._ledger, self._patients = sender, sender.ledger, patients

    def steps(self) -> Iterator[None]:
        """Import for ever, one request for each step. A load ends after the whole import."""
        first = int(time.time())  # no file of another run has the same versions
        version = first
        while True:
            version += 1
            if not self._import(version):
                return
            yield

    def _import(self, version: int) -> bool:
        """Import one file, and return whether it was imported."""
        lines = [json.dumps(describe_resource(n, version)) for n in range(self._patients)]
        body = "\n".join([*lines, ""]).encode()
        headers = {"Content-Type": NDJSON, "Prefer": "respond-async"}
        self._ledger.importing = version
        path = f"/api/v1/imports?source={SOURCE}"
        sent = self._sender.send(Kind.UPLOAD, Request("POST", path, body, headers))
        if sent.answer.status != 202:
            return self._fail(sent, "an upload")
        return self._follow(str(sent.answer.headers["location"]), version)

    def _follow(self, path: str, version: int) -> bool:
        """Poll a job until it has ended."""
        etag, deadline = "", time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline:
            headers = {"If-None-Match": etag} if etag else {}
            sent = self._sender.send(Kind.POLL, Request("GET", path, None, headers))
            if sent.answer.status == 200:
                job = sent.answer.document
                etag = sent.answer.headers["etag"]
                self.done, self.total = job["progress_done"], job["progress_total"] or 0
                if job["state"] in ENDED:
                    return self._end(job, version)
            elif sent.answer.status != 304:
                return self._fail(sent, "the progress of an import")
            time.sleep(QUESTIONS_SECONDS)
        what = f"The import {version} has not ended after {LONGEST_SECONDS:.0f} s."
        self._ledger.find(FindingKind.UNANSWERED, what)
        return False

    def _end(self, job: dict[str, Any], version: int) -> bool:
        if job["state"] != "done":
            what = f"The import {version} is {job['state']}: {job['error']}."
            self._ledger.find(FindingKind.REFUSED, what)
            return False
        self._ledger.imported.append(version)
        self._ledger.importing = None
        return True

    def _fail(self, sent: Sent, what: str) -> bool:
        self._sender.note_failure(sent, what)
        return False
