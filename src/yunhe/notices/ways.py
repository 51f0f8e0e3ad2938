"""What a worker needs to send: built by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from yunhe.vault.service import Vault

if TYPE_CHECKING:
    from yunhe.notices.mail import Mailer
    from yunhe.outbound.client import Outbound


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways out of the platform."""

    outbound: Outbound
    """For webhooks."""
    vault: Vault
    """Opens the secrets that webhooks are signed with."""
    mailer: Mailer | None = None
    """For e-mail; None where no mail server is set."""
    public_url: str = ""
    """Where people reach the platform, for the foot of a mail; empty where that is not set."""
