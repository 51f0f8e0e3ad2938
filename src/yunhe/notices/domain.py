"""Notices as plain values: what is told, to whom, by which ways, and how far a delivery is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from yunhe.kernel.errors import Parameter
from yunhe.kernel.language import Language, text, texts

Kind = Literal[
    "approval_due",
    "budget_80",
    "budget_100",
    "job_ended",
    "job_idle",
    "measure_expiring",
    "invitation",
    "operation_ended",
    "webhook_paused",
    "webhook_gone",
    "document_erased",
    "key_expiring",
    "entry_opened",
    "application_due",
    "application_overdue",
    "application_ended",
    "report_due",
]
"""What a notice is about; its sentence is the text ``notices.<kind>``."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Way = Literal["feed", "mail"]
"""How a notice reaches a member; webhooks belong to organisations and are no way of a member's."""
WAYS: tuple[Way, ...] = get_args(Way)

_ASKING: tuple[Kind, ...] = (
    "approval_due",
    "budget_80",
    "budget_100",
    "job_idle",
    "measure_expiring",
    "webhook_paused",
    "document_erased",
    "webhook_gone",
    "key_expiring",
    "entry_opened",
    "application_due",
    "application_overdue",
    "application_ended",
    "report_due",
)
MAILED: frozenset[Kind] = frozenset(_ASKING)
"""Kinds that are mailed to a member who has chosen nothing: those that ask somebody to act."""

PROGRAMME = ""
"""In place of an organisation: the members of the operator's own organisations."""
REGULATORS = "regulators"
"""In place of an organisation: the members of every regulator."""
REACH: Mapping[str, str] = {PROGRAMME: "operator", REGULATORS: "regulator"}
"""Words in place of an organisation → the kind of organisations that is meant."""

WebhookState = Literal["active", "paused", "gone"]
"""Sent to; not for now, after it failed for long; never again, as its receiver asked (410)."""

DeliveryState = Literal["waiting", "sending", "done", "dead", "dropped"]
"""To be tried at its time; claimed by a worker; taken; given up; no longer wanted."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened and who is to know of it; it names no person."""

    id: str
    """Derived from the key it was told with."""
    kind: Kind
    """What it is about."""
    organisation: str
    """Whose it is; or one of the words of `REACH`."""
    project: str
    """The project it concerns; empty for the whole organisation."""
    subject: str
    """Id of the thing: a workload, an award, a model version."""
    params: Mapping[str, Parameter]
    """Values of its sentence."""
    at_us: int
    """When it happened."""
    read_at_us: int | None = None
    """When the member asked for read it; None for unread, and where no member asked."""

    def message(self, language: Language) -> str:
        """The notice as a sentence for a person; roles and outcomes in the person's own words."""
        said = dict(self.params)
        for name, value in self.params.items():
            word = texts("notices", language).get(f"notices.{name}.{value}")
            if word is not None:
                said[name] = word
        return text(f"notices.{self.kind}", language, **{"subject": self.subject, **said})


@dataclass(frozen=True, slots=True)
class Addressees:
    """Who is to know: everybody in the organisation, or only those with a role, or one member."""

    roles: tuple[str, ...] = ()
    """Only members who hold one of them; empty for all."""
    member: str = ""
    """Only this one; empty for all."""


@dataclass(frozen=True, slots=True)
class Preference:
    """What a member chose for one kind of notice."""

    kind: Kind
    """What it is about."""
    feed: bool
    """Shown in the feed."""
    mail: bool
    """Sent by e-mail."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address of an organisation's that gets its notices."""

    id: str
    """Random."""
    organisation: str
    """Whose notices it gets."""
    url: str = field(repr=False)
    """Where they are sent; may hold a token of the receiver's, so it stays out of logs."""
    kinds: tuple[Kind, ...]
    """Which ones."""
    state: WebhookState
    """Whether it is sent to."""
    failures: int
    """Attempts that failed since the last that did not."""
    failing_since_us: int | None
    """When the first of those was."""
    old_secret_until_us: int | None
    """Until when deliveries are signed with the secret before the last rotation, too."""
    at_us: int
    """When it was added."""


@dataclass(frozen=True, slots=True)
class AddedWebhook:
    """A webhook with its secret, in the only moment that is told."""

    webhook: Webhook
    """The webhook."""
    secret: str = field(repr=False)
    """``whsec_`` and base64: what the receiver checks signatures with."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way to one webhook or mailbox."""

    id: str
    """Derived from notice and target: the same at every attempt, so receivers see doubles."""
    notice: str
    """What is sent."""
    way: str
    """``webhook`` or ``mail``."""
    target: str
    """Webhook id or member id."""
    state: DeliveryState
    """How far it is."""
    attempts: int
    """How often it was tried."""
    next_at_us: int
    """When it may be tried next, while it waits."""
    problem: str
    """Code of the last failure; empty without."""
    status: int
    """HTTP or SMTP status of the last attempt; 0 without an answer."""
    created_at_us: int
    """When it was made."""
    ended_at_us: int | None
    """When it was done or given up."""
