"""One attempt over real HTTP: what a receiver sees, and what each kind of answer or fault comes back as."""

import asyncio
import datetime as dt
import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import h11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook, WebhookVerificationError

from fairstall.records.deliveries import Delivery
from fairstall.serving.webhooks import connection
from fairstall.serving.webhooks.addresses import AddressRules
from fairstall.serving.webhooks.message import Message, ping_event, sign_message
from fairstall.serving.webhooks.sender import FAULTS, Answer, Sender, retry_after_s

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SECRETS = ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE = Message({"webhook-id": "e-1"}, b"{}")


def post(url, message=MESSAGE, *, rules=None, times=1, **options):
    async def send():
        sender = Sender(rules or AddressRules(), **options)
        try:
            return [await sender.post(url, message) for _ in range(times)]
        finally:
            sender.close()

    return asyncio.run(send())[-1]


def a_delivery(body=None):
    return Delivery("0199-e-1", "decision.made", body or {"outcome": "block", "listing_id": "象牙"}, NOW, 1)


def test_a_receiver_verifies_with_the_library_of_the_specification(receiver):
    assert post(receiver.url, sign_message(a_delivery(), SECRETS[:1], now=datetime.now(UTC))) == Answer(204)
    (posted,) = receiver.posted
    assert Webhook(SECRETS[0]).verify(posted.body, posted.headers) == {
        "type": "decision.made",
        "timestamp": "2026-11-27T12:00:00.000000Z",
        "data": {"outcome": "block", "listing_id": "象牙"},
    }
    assert (posted.path, posted.headers["content-type"]) == ("/hooks", "application/json")
    assert (posted.headers["webhook-id"], posted.headers["host"]) == ("0199-e-1", f"127.0.0.1:{receiver.port}")


def test_during_a_rotation_either_secret_verifies_and_no_other():
    message = sign_message(a_delivery(), SECRETS, now=datetime.now(UTC))
    assert message.headers["webhook-signature"].count("v1,") == 2
    for secret in SECRETS:
        assert Webhook(secret).verify(message.body, message.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(message.body, message.headers)


def test_the_signature_is_the_one_of_the_library():
    message = sign_message(a_delivery(), SECRETS[:1], now=NOW)
    assert message.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    expected = Webhook(SECRETS[0]).sign("0199-e-1", NOW, message.body.decode())
    assert message.headers["webhook-signature"] == expected


def test_a_ping_tells_of_nothing():
    assert json.loads(sign_message(ping_event(NOW), SECRETS[:1], now=NOW).body) == {
        "type": "webhook.ping",
        "timestamp": "2026-11-27T12:00:00.000000Z",
        "data": {},
    }


@pytest.mark.parametrize(("status", "accepted"), [(200, True), (204, True), (299, True), (404, False), (500, False)])
def test_only_two_hundreds_are_a_success(receiver, status, accepted):
    receiver.answers = [status]
    answer = post(receiver.url)
    assert (answer.accepted, answer.told) == (accepted, f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver, make_receiver, status):
    elsewhere = make_receiver()
    receiver.answers = [(status, {"Location": elsewhere.url})]
    assert not post(receiver.url).accepted
    assert elsewhere.posted == []


def test_a_receiver_that_does_not_answer_in_time_has_timed_out(receiver):
    held = threading.Event()
    receiver.answers = [held]
    assert post(receiver.url, timeout_s=0.1) == Answer(None, "timed out")
    held.set()


def test_a_receiver_that_answers_drop_by_drop_has_timed_out():
    with RawReceiver(b"HTTP/1.1 200 OK\r\nContent-Len") as port:
        assert post(f"http://127.0.0.1:{port}/", timeout_s=0.1) == Answer(None, "timed out")


@pytest.mark.parametrize("close", [True, False])
def test_a_status_counts_though_its_body_never_ends(close, monkeypatch):
    monkeypatch.setattr(connection, "BODY_WITHIN_S", 0.05)
    with RawReceiver(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", close=close) as port:
        assert post(f"http://127.0.0.1:{port}/") == Answer(200)


@pytest.mark.parametrize(
    ("answer", "told"), [(b"", "connection broken"), (b"SSH-2.0-OpenSSH\r\n\r\n", "no valid answer")]
)
def test_what_is_no_answer_is_told(answer, told):
    with RawReceiver(answer, close=True) as port:
        assert post(f"http://127.0.0.1:{port}/").told == told


def test_headers_without_end_are_cut_off():
    with RawReceiver(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000, close=True) as port:
        assert post(f"http://127.0.0.1:{port}/").told == "no valid answer"


def test_a_long_body_is_not_read_to_its_end():
    with RawReceiver(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000) as port:
        assert post(f"http://127.0.0.1:{port}/", timeout_s=5).accepted


def test_a_port_where_nobody_listens_is_told():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/") == Answer(None, "connection refused")


def test_a_name_that_does_not_resolve_is_told():
    async def resolve(_host, _port):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert post("https://shop.example/", resolve=resolve).told == "name not found"


def test_a_name_that_points_inside_gets_nothing(receiver):
    async def resolve(_host, _port):
        return ["127.0.0.1"]

    answer = post(f"http://shop.example:{receiver.port}/", resolve=resolve)
    assert answer.told == "address refused: 127.0.0.1 is not public"
    assert receiver.posted == []


def test_one_connection_serves_several_attempts(receiver):
    lookups = []

    async def resolve(host, _port):
        lookups.append(host)
        return ["127.0.0.1"]

    assert post(f"http://localhost:{receiver.port}/", resolve=resolve, times=3).accepted
    assert (len(receiver.posted), lookups) == (3, ["localhost"])


def test_a_connection_that_was_closed_meanwhile_is_opened_again(receiver):
    receiver.answers = [(204, {"Connection": "close"}), 204, 204]
    assert post(receiver.url, times=3).accepted
    assert len(receiver.posted) == 3


def test_a_connection_that_breaks_while_it_is_kept_is_no_failure():
    async def work():
        async def answer_once(reader, writer):
            await reader.readuntil(b"{}")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            connections.append(writer)
            if len(connections) == 1:
                await reader.readuntil(b"{}")
            writer.close()

        connections = []
        server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
        sender, url = Sender(AddressRules()), "http://127.0.0.1:{}/".format(*server.sockets[0].getsockname()[1:2])
        answers = [await sender.post(url, MESSAGE) for _ in range(2)]
        sender.close()
        server.close()
        return answers, len(connections)

    assert asyncio.run(work()) == ([Answer(204), Answer(204)], 2)


def test_informational_answers_are_passed_over():
    with RawReceiver(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port:
        assert post(f"http://127.0.0.1:{port}/") == Answer(200)


@pytest.mark.parametrize(("name", "told"), [("shop.example", "HTTP 204"), ("other.example", "TLS failed")])
def test_a_certificate_is_checked_against_the_name_not_the_address(make_receiver, tmp_path, name, told):
    serves, trusts = certificates(tmp_path, "shop.example")

    async def resolve(_host, _port):
        return ["127.0.0.1"]

    receiver = make_receiver(serves)
    rules = AddressRules([ip_network("127.0.0.0/8")])
    answer = post(f"https://{name}:{receiver.port}/", rules=rules, resolve=resolve, tls=trusts)
    assert answer.told.startswith(told)


def test_a_certificate_of_nobody_known_is_refused(make_receiver, tmp_path):
    receiver = make_receiver(certificates(tmp_path, "localhost")[0])
    assert "certificate" in post(f"https://localhost:{receiver.port}/").told
    assert receiver.posted == []


def test_every_error_of_the_http_library_has_a_meaning():
    kinds = {value for value in vars(h11).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds
    assert {kind for kind in kinds if not issubclass(kind, tuple(known for known, _ in FAULTS))} == set()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Fri, 27 Nov 2026 12:01:00 GMT", 60.0),
        ("Fri, 27 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", 0.0),
        ("1e9", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("99999999999999999999", 0.0),
        ("Fri, 27 Nov 99999 12:01:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value, seconds):
    assert retry_after_s(value, NOW) == seconds


def test_retry_after_is_part_of_an_answer(receiver):
    receiver.answers = [(503, {"Retry-After": "120"})]
    assert post(receiver.url) == Answer(503, retry_after_s=120.0)


class RawReceiver:
    """A server that answers every connection with some bytes."""

    def __init__(self, answer, *, close=False):
        self._answer, self._close = answer, close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._ended = threading.Event()

    def __enter__(self):
        self._thread.start()
        return self._listener.getsockname()[1]

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._listener.close()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(self._answer)
            except OSError:
                return
            if not self._close:
                self._ended.wait(20)


def certificates(folder, name):
    """A context that serves a new certificate for `name`, and one that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, today = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), dt.datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(today - timedelta(1)).not_valid_after(today + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    signed = made.sign(key, hashes.SHA256())
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = signed.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(private + public)
    serves = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serves.load_cert_chain(file)
    return serves, ssl.create_default_context(cadata=public.decode())
