"""Witnesses keep the hashes of seals in order, and a time stamp is the authority's or refused."""

import datetime as dt
import subprocess
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from obstore.store import LocalStore, MemoryStore

from trially.audit.witnesses import (
    InvalidEntryError,
    InvalidWitnessUrlError,
    WitnessEntry,
    open_witness,
)
from trially.audit.witnesses.directory import DirectoryWitness
from trially.audit.witnesses.object_store import ObjectStoreWitness
from trially.audit.witnesses.sending import send_seals
from trially.audit.witnesses.time_stamps import InvalidTimeStampError, TimeStampWitness, asking
from trially.seals import Seal

LOG = "audit_record 0192b1f2-0000-7000-8000-000000000000"


def entry(number, log=LOG):
    return WitnessEntry(log, number, bytes([number % 256]) * 32, 3, "2026-01-01T00:00:00+00:00")


def seal(number):
    return Seal(LOG, number, b"", (), (), (), 3, b"", b"", bytes([number % 256]) * 32)


@pytest.fixture(params=["directory", "memory", "local"])
def witness(request, tmp_path):
    if request.param == "directory":
        return DirectoryWitness(tmp_path / "new" / "folder")
    store = MemoryStore() if request.param == "memory" else LocalStore(tmp_path)
    return ObjectStoreWitness(store, "store")


def test_entries_are_kept_in_order_for_each_log(witness):
    other = "audit_record 0192b1f2-0000-7000-8000-000000000001"
    assert witness.last_number(LOG) == 0
    assert list(witness.entries(LOG)) == []

    witness.append(LOG, [entry(number) for number in range(1, 1500)])
    witness.append(other, [entry(1, other)])
    witness.append(LOG, [entry(1500), entry(1501)])

    assert (witness.last_number(LOG), witness.last_number(other)) == (1501, 1)
    assert [each.number for each in witness.entries(LOG)] == list(range(1, 1502))


def test_a_second_sealer_changes_nothing(witness):
    witness.append(LOG, [entry(1), entry(2)])
    forged = replace(entry(1), hash=b"x" * 32)
    witness.append(LOG, [forged])

    assert list(witness.entries(LOG)) == [entry(1), entry(2)]


def test_a_line_that_a_crash_cut_is_written_again(tmp_path):
    witness = DirectoryWitness(tmp_path)
    witness.append(LOG, [entry(1), entry(2)])
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-9])

    assert witness.last_number(LOG) == 1
    witness.append(LOG, [entry(2), entry(3)])
    assert [each.number for each in witness.entries(LOG)] == [1, 2, 3]


def test_a_damaged_line_is_named(tmp_path):
    witness = DirectoryWitness(tmp_path)
    witness.append(LOG, [entry(1), entry(2)])
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b"0202", b"02zz", 1))

    with pytest.raises(InvalidEntryError, match="line 2"):
        list(witness.entries(LOG))


def test_a_witness_that_is_down_gets_the_seals_later(tmp_path):
    good, bad = DirectoryWitness(tmp_path / "good"), DirectoryWitness(tmp_path / "file")
    (tmp_path / "file").write_text("no directory")

    def read(last):
        return lambda after: map(seal, range(after + 1, last + 1))

    lags = send_seals([bad, good], LOG, 3, read(3))
    assert [(each.seals, each.error is None) for each in lags] == [(3, False), (0, True)]
    (tmp_path / "file").unlink()
    lags = send_seals([bad, good], LOG, 5, read(5))
    assert [(each.seals, each.error) for each in lags] == [(0, None), (0, None)]
    assert [each.number for each in bad.entries(LOG)] == [1, 2, 3, 4, 5]


def test_an_entry_has_nothing_of_patients():
    assert entry(1).line == (
        b'{"log":"' + LOG.encode() + b'","number":1,"hash":"' + b"01" * 32 + b'","count":3,'
        b'"time":"2026-01-01T00:00:00+00:00"}\n'
    )


@pytest.mark.parametrize("url", ["ftp://a/b", "file://host/a", "rfc3161+http://a.example", ""])
def test_an_unknown_url_is_refused(app, url):
    with app.app_context(), pytest.raises(InvalidWitnessUrlError):
        open_witness(url)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A time-stamp authority of OpenSSL: returns a function that answers, and its root."""
    folder = tmp_path_factory.mktemp("authority")
    root_key, root = certify("Root")
    key, certificate = certify("Stamps", issuer=root, issuer_key=root_key)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    (folder / "stamps.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "serial").write_text("01")
    (folder / "ts.cnf").write_text(
        "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = stamps.pem\n"
        "signer_key = key.pem\ncerts = stamps.pem\nsigner_digest = sha256\n"
        "default_policy = 1.2.3.4\ndigests = sha256\ness_cert_id_alg = sha256\n"
    )

    def answer(request):
        (folder / "query").write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "query"]
        subprocess.run([*command, "-out", "reply"], cwd=folder, check=True, capture_output=True)
        return (folder / "reply").read_bytes()

    return answer, root


def certify(name, issuer=None, issuer_key=None):
    """Return a key and its certificate: a root, or one for time stamps."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return key, builder.sign(issuer_key or key, SHA256())


def test_the_last_seal_is_stamped_and_the_stamp_verified(authority, tmp_path):
    answer, root = authority
    witness = TimeStampWitness("authority", answer, tmp_path, [root])
    witness.append(LOG, [entry(1), entry(2)])
    witness.append(LOG, [entry(3)])

    assert [each.number for each in witness.entries(LOG)] == [2, 3]
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b"03" * 32, b"07" * 32))
    with pytest.raises(InvalidTimeStampError, match="seal 3"):
        list(witness.entries(LOG))


def test_a_stamp_of_another_authority_is_refused(authority, tmp_path):
    answer, _ = authority
    _, other_root = certify("Root")
    witness = TimeStampWitness("authority", answer, tmp_path, [other_root])

    with pytest.raises(InvalidTimeStampError):
        witness.append(LOG, [entry(1)])
    assert list(witness.entries(LOG)) == []


def test_an_old_answer_is_refused(authority, tmp_path):
    """The answer must have the nonce of the request."""
    answer, root = authority
    kept = []

    def replay(request):
        kept.append(answer(request))
        return kept[0]

    witness = TimeStampWitness("authority", replay, tmp_path, [root])
    witness.append(LOG, [entry(1)])
    with pytest.raises(InvalidTimeStampError):
        witness.append(LOG, [replace(entry(2), hash=entry(1).hash)])


def test_the_authority_is_asked_over_http(authority, tmp_path):
    answer, root = authority

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.headers["Content-Type"] == "application/timestamp-query"
            content = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        witness = TimeStampWitness(
            "authority", asking(f"http://127.0.0.1:{server.server_port}"), tmp_path, [root]
        )
        witness.append(LOG, [entry(1)])
        thread.join(10)

    assert witness.last_number(LOG) == 1
