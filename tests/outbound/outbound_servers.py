"""Real servers on loopback that misbehave as told, and certificates of every sort."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.0/8"


@dataclass
class Server:
    """One server and what it was asked."""

    respond: Callable[[BaseHTTPRequestHandler], None]
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def answer(handler, status=200, headers=(), body=b"ok"):
    handler.send_response(status)
    for name, value in dict(headers).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def serving() -> Iterator[Callable[..., Server]]:
    """Starts servers on free loopback ports; stops them at the end."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread, Server]] = []

    def start(respond=answer, *, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(respond)

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                size = int(self.headers.get("Content-Length", "0"))
                self.body = body = self.rfile.read(size)
                server.asked.append((self.command, self.path, dict(self.headers.items()), body))
                try:
                    server.respond(self)
                except OSError:  # the client hung up, which is what is being tested
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((http, thread, server))
        return server

    yield start
    for http, thread, server in running:
        server.stopping.set()
        http.shutdown()
        http.server_close()
        thread.join()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def trusted(self) -> ssl.SSLContext:
        path = self.folder / "ca.pem"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return ssl.create_default_context(cafile=path)

    def issue(
        self, *names: str, days: tuple[int, int] = (-1, 30), own: bool = False
    ) -> ssl.SSLContext:
        """A server's side of TLS with a certificate for these names; ``own``: self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            for name in names
        ]
        issuer = None if own else self.certificate.subject
        certificate = _certificate(names[0], key, issuer, days).add_extension(
            x509.SubjectAlternativeName(alternatives), critical=False
        )
        signed = certificate.sign(key if own else self.key, hashes.SHA256())
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _certificate(name, key, issuer, days):
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
    )


def make_authority(folder: Path) -> Authority:
    """A new authority that keeps its files in ``folder``."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate("Test authority", key, None, (-1, 30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(folder, key, certificate)
