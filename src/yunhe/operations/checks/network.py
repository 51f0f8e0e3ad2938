"""Other servers: the certificate people meet, the mail server."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509

from yunhe.operations.checks.findings import (
    Found,
    Subject,
    failed,
    fine,
    skipped,
    warning,
)

SECONDS_MAX = 5.0
"""How long a server may take to answer."""
EXPIRING_DAYS = 14
"""A certificate that ends sooner should have been renewed by now."""


def certificate(subject: Subject) -> Iterator[Found]:
    """The certificate of the public address is in time, for its name, and trusted."""
    public = urlsplit(subject.settings.public_url)
    if public.scheme != "https" or public.hostname is None:
        yield skipped("operations.doctor.certificate_none")
        return
    host, port = public.hostname, public.port or 443
    where = f"{host}:{port}"
    try:
        shown = _certificate(host, port)
    except OSError as error:
        why = error.strerror or type(error).__name__
        yield failed("operations.doctor.public_unreachable", where=where, why=why)
        return
    left = shown.not_valid_after_utc - datetime.now(UTC)
    until = shown.not_valid_after_utc.strftime("%Y-%m-%d %H:%M UTC")
    if left.total_seconds() < 0:
        yield failed("operations.doctor.certificate_expired", where=where, until=until)
        return
    if shown.not_valid_before_utc > datetime.now(UTC):
        yield failed("operations.doctor.certificate_early", where=where)
        return
    why = _distrust(host, port)
    if why:
        yield failed("operations.doctor.certificate_distrusted", where=where, why=why)
    elif left.days < EXPIRING_DAYS:
        yield warning("operations.doctor.certificate_ending", where=where, days=left.days)
    else:
        yield fine("operations.doctor.certificate_fine", where=where, days=left.days)


def _certificate(host: str, port: int) -> x509.Certificate:
    """What the server shows, believed in or not."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown or b"")


def _distrust(host: str, port: int) -> str:
    """Why a client would not believe the certificate; empty when it would."""
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS_MAX) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return error.strerror or type(error).__name__


def mail_server(subject: Subject) -> Iterator[Found]:
    """The mail server answers; nothing is sent and nobody signs in."""
    url = urlsplit(subject.settings.smtp_url)
    if url.hostname is None:
        yield skipped("operations.doctor.mail_off")
        return
    secure = url.scheme == "smtps"
    port = url.port or (465 if secure else 587)
    where = f"{url.hostname}:{port}"
    kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
    try:
        with kind(url.hostname, port, timeout=SECONDS_MAX) as server:
            server.ehlo()
            encrypted = secure or server.has_extn("starttls")
    except (OSError, smtplib.SMTPException) as error:
        why = getattr(error, "strerror", "") or type(error).__name__
        yield failed("operations.doctor.mail_unreachable", where=where, why=why)
        return
    if encrypted or url.hostname in ("localhost", "127.0.0.1", "::1"):
        yield fine("operations.doctor.mail_answers", where=where)
    else:
        yield warning("operations.doctor.mail_in_clear", where=where)


CHECKS = {"certificate": certificate, "mail_server": mail_server}
"""By the name each has in the answer."""
