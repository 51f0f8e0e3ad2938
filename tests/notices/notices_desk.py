"""A real receiver on loopback, a real mail server, and the ways to reach them."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from yunhe.notices import service as notices
from yunhe.notices.ways import Ways
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.service import Storage
from yunhe.vault.service import Vault


def verify(secret: str, headers: dict[str, str], body: bytes, *, now: int) -> dict[str, Any]:
    """What a receiver does, written from the standard and not from our code.

    Source: Standard Webhooks 1.0, "Verifying webhooks".
    """
    sent = int(headers["webhook-timestamp"])
    assert abs(now - sent) <= 300, "too old or too new"
    signed = headers["webhook-id"].encode() + b"." + str(sent).encode() + b"." + body
    key = base64.b64decode(secret[len("whsec_") :])
    expected = hmac.new(key, signed, hashlib.sha256).digest()
    given = [part.split(",", 1) for part in headers["webhook-signature"].split(" ")]
    assert any(
        version == "v1" and hmac.compare_digest(base64.b64decode(text), expected)
        for version, text in given
    ), "signed by nobody we know"
    content: dict[str, Any] = json.loads(body)
    return content


@dataclass
class Receiver:
    """A receiver and all it was sent."""

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    before_answering: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


def receiving() -> Iterator[Callable[[], Receiver]]:
    """Starts receivers; stops them at the end."""
    running = []

    def start() -> Receiver:
        receiver = Receiver()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((headers, body))
                receiver.before_answering()
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return receiver

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class PostOffice:
    """A mail server and all it was given."""

    port: int = 0
    answer: str = "250 taken"
    letters: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if self.answer.startswith(("4", "5")):
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        message = message_from_bytes(envelope.content, policy=policy.SMTP)
        assert isinstance(message, EmailMessage)
        self.letters.append(message)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return self.answer


class _AnyPort(Controller):
    """A controller that may be given port 0: it asks which one it got."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def posting(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, password: str = ""
) -> Iterator[PostOffice]:
    """A mail server on a free port; ``implicit``: TLS from the first byte."""
    office = PostOffice()

    def login(server, session, envelope, mechanism, data):
        office.users.append(data.login)
        return AuthResult(success=data.password == password.encode(), handled=False)

    more = {"ssl_context": tls} if implicit else {"tls_context": tls}
    controller = _AnyPort(
        office,
        hostname="127.0.0.1",
        port=0,
        ready_timeout=90,  # five seconds are not always enough on a busy machine
        authenticator=login,
        auth_required=bool(password),
        auth_require_tls=not implicit,
        **more,
    )
    controller.start()
    office.port = controller.port
    yield office
    controller.stop()


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server with these names, and for a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "mail.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=pem)


@cache
def ways(mailer=None, *, allow=("127.0.0.0/8",)) -> Ways:
    """Ways out that may reach loopback."""
    return Ways(Outbound(Guard(allow), seconds_max=5), Vault(b"k" * 32), mailer)


def tell(storage: Storage, key: str, organisation: str, **more: Any) -> str:
    """Tell a notice in a transaction of its own; its id."""
    with storage.database.begin() as tx:
        notices.notify(
            tx,
            key=key,
            kind=more.pop("kind", "job_ended"),
            organisation=organisation,
            subject=more.pop("subject", key),
            params=more.pop("params", {"outcome": "settled", "device_seconds": 12}),
            at_us=storage.clock.now_us(),
            **more,
        )
    return notices.notice_id(key)
