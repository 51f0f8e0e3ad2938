"""E-mail by the operator's mail server.

The server is the operator's setting, so it is not guarded as users' addresses are.
"""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid, Unavailable

SECONDS_MAX = 15
"""Longest wait for one answer of the mail server."""
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail, before it has a form."""

    id: str
    """Becomes its Message-ID: the same at every attempt, so a mailbox can drop doubles."""
    to: str = field(repr=False)
    """Address; personal data."""
    subject: str
    """One line; control characters are taken out."""
    text: str = field(repr=False)
    """Plain text."""
    at_us: int
    """Its date."""


class Refused(Exception):
    """The mail server will never take this letter; sending it again cannot help."""

    def __init__(self, status: int) -> None:
        """``status``: SMTP's, 0 when the address itself cannot be written in a letter."""
        self.status = status
        super().__init__(status)


class Mailer:
    """Sends letters, one connection for each."""

    def __init__(
        self, url: str, *, sender: str, password: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        """``url``: ``smtp://user@host:port`` (STARTTLS where it is offered) or ``smtps://``.

        A password is only ever sent over TLS. Certificates are checked, except on loopback.
        Errors: `Invalid` ``notices.mail_setting`` for a wrong address or sender.
        """
        try:
            parts = urlsplit(url)
            self._host, self._user = parts.hostname or "", unquote(parts.username or "")
            usual = _PORTS[parts.scheme]
            self._port = parts.port or usual
            self._implicit = parts.scheme == "smtps"
            address = Address(addr_spec=sender)
        except (ValueError, KeyError, IndexError, TypeError):
            raise Invalid("notices.mail_setting") from None
        if not self._host or not address.domain or parts.password:
            raise Invalid("notices.mail_setting")
        self._sender, self._domain = address, address.domain
        self._password = password
        self._tls = tls or ssl.create_default_context()
        if tls is None and self._host in _LOOPBACK:  # the line never leaves this machine
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE

    def send(self, letter: Letter) -> None:
        """Hand the letter to the server.

        Errors: `Refused`; `Unavailable` ``notices.mail_failed`` with SMTP's status (0 when there
        was no answer), ``notices.mail_no_tls``. Neither holds the address.
        """
        message = self._written(letter)
        try:
            with self._connected() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            status = max((code for code, _ in error.recipients.values()), default=0)
            raise _failed(status) from None
        except smtplib.SMTPResponseException as error:
            raise _failed(error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            # The texts of these errors can hold addresses.
            raise _failed(0) from (error if isinstance(error, ssl.SSLError) else None)

    def _connected(self) -> smtplib.SMTP:
        if self._implicit:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host,
                self._port,
                local_hostname=self._domain,
                timeout=SECONDS_MAX,
                context=self._tls,
            )
        else:
            server = smtplib.SMTP(
                self._host, self._port, local_hostname=self._domain, timeout=SECONDS_MAX
            )
        try:
            server.ehlo_or_helo_if_needed()
            if not self._implicit and server.has_extn("starttls"):
                server.starttls(context=self._tls)
                server.ehlo()
            elif not self._implicit and self._password:
                raise Unavailable("notices.mail_no_tls", host=self._host)
            if self._password:
                server.login(self._user, self._password)
        except BaseException:
            with suppress(OSError):
                server.close()
            raise
        return server

    def _written(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        try:
            message["To"] = Address(addr_spec=letter.to)
        except (ValueError, IndexError, TypeError):
            raise Refused(0) from None
        message["From"] = self._sender
        message["Subject"] = " ".join(
            "".join(c if c.isprintable() else " " for c in letter.subject).split()
        )
        moment = datetime.fromtimestamp(letter.at_us // SECOND_US, UTC)
        message["Date"] = format_datetime(moment)
        message["Message-ID"] = f"<{letter.id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
        message.set_content(letter.text)
        return message


def _failed(status: int) -> Exception:
    if 500 <= status < 600 and status not in _OURS:
        return Refused(status)
    return Unavailable("notices.mail_failed", status=status, retryable=True)


_OURS = frozenset({530, 534, 535, 538, 554})
"""Faults of our settings, or of the server as a whole: they may be put right, so it is tried on."""
