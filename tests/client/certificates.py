"""Certificates with every fault, signed by an authority made for the test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM


class Authority:
    """Signs; callers trust it with `trusting`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self._certificate = self._made(self._name, self._key, ca=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(self._certificate.public_bytes(PEM))

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.path))

    def serving(
        self, *, ip: str = "127.0.0.1", days: tuple[int, int] = (-1, 1), by_itself: bool = False
    ) -> ssl.SSLContext:
        """A server's side with a certificate for ``ip``, good from and to so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
        made = self._made(name, key, ip=ip, days=days, by_itself=by_itself)
        chain, secret = self.folder / f"{made.serial_number}.pem", self.folder / "server.key"
        chain.write_bytes(made.public_bytes(PEM))
        form = serialization.PrivateFormat.PKCS8
        secret.write_bytes(key.private_bytes(PEM, form, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        return context

    def _made(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        ip: str = "",
        days: tuple[int, int] = (-1, 1),
        ca: bool = False,
        by_itself: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        alone = ca or by_itself
        public = key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if alone else self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if ip:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(key if alone else self._key, hashes.SHA256())
