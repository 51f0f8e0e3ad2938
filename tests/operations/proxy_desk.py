"""A real nginx from deploy/nginx.conf, on free ports, with a certificate made for the test."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from free_ports import free_port

ROOT = Path(__file__).parents[2]
NAME = "yunhe.example"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def certificate(
    folder: Path, *, days: int = 90, begun_days_ago: int = 1, names: tuple[str, ...] = (NAME,)
) -> tuple[Path, Path]:
    """A self-signed certificate for the names and ``localhost``, with its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=begun_days_ago))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    chain, private = folder / "fullchain.pem", folder / "privkey.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, private


@dataclass(frozen=True)
class Proxy:
    """An nginx that runs."""

    plain: int
    """Port without TLS."""
    secure: int
    """Port with TLS."""
    chain: Path
    """Its certificate."""
    folder: Path
    """Its logs."""

    def connect(self, *, name: str = NAME, trusting: bool = True) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.chain) if trusting else None)
        plain = socket.create_connection(("127.0.0.1", self.secure), timeout=20)
        return context.wrap_socket(plain, server_hostname=name)

    def ask(self, path: str, *, method: str = "GET", headers: str = "", body: bytes = b"") -> bytes:
        with self.connect() as caller:
            head = f"{method} {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{headers}\r\n"
            caller.sendall(head.encode() + body)
            heard = b""
            while part := caller.recv(65_536):
                heard += part
        return heard


def adapted(folder: Path, *, upstream: int, chain: Path, private: Path) -> tuple[str, int, int]:
    """The example with this test's ports, certificate and folders; nothing else is changed."""
    plain, secure = free_port(), free_port()
    said = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    for old, new in (
        ("    listen 80;\n    listen [::]:80;\n", f"    listen 127.0.0.1:{plain};\n"),
        ("    listen 443 ssl http2;\n    listen [::]:443 ssl http2;\n",
         f"    listen 127.0.0.1:{secure} ssl http2;\n"),
        ("127.0.0.1:8420", f"127.0.0.1:{upstream}"),
        ("/etc/ssl/yunhe/fullchain.pem", str(chain)),
        ("/etc/ssl/yunhe/privkey.pem", str(private)),
        ("/var/log/nginx/", f"{folder}/"),
    ):  # fmt: skip
        assert old in said, old
        said = said.replace(old, new)
    return said, plain, secure


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(folder: Path, *, upstream: int, days: int = 90, begun_days_ago: int = 1,
          names: tuple[str, ...] = (NAME, "localhost")) -> Iterator[Proxy]:  # fmt: skip
    """nginx in front of a port of this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    chain, private = certificate(
        folder / "tls", days=days, begun_days_ago=begun_days_ago, names=names
    )
    site, plain, secure = adapted(folder, upstream=upstream, chain=chain, private=private)
    (folder / "yunhe.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "main.conf"
    main.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ {temporary} include {folder}/yunhe.conf; }}\n"
    )
    line = [str(NGINX), "-p", str(folder), "-c", str(main), "-e", str(folder / "error.log")]
    checked = subprocess.run([*line, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not _listens(secure):
            assert process.poll() is None, (folder / "error.log").read_text("utf-8")
            assert time.monotonic() < until, "nginx does not listen"
            time.sleep(0.01)
        yield Proxy(plain, secure, chain, folder)
    finally:
        process.terminate()
        process.wait(timeout=20)
