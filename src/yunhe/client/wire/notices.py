"""Messages about notices, what members choose to get, and webhooks."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from yunhe.client.wire.shapes import Id, Sent, Shown, Text, Time

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
"""What a notice is about."""

_NOTICE = "note_8t3r6w0h1ab7v1k0e5m2q9xj4c"
_HOOK = "hook_6w0h1ab7v1k0e5m2q9xj4c8t3r"
_DELIVERY = "delivery_1ab7v1k0e5m2q9xj4c8t3r6w0h"
_AT = "2026-11-22T09:30:00.000000Z"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"


class Notice(Shown):
    """One thing that happened."""

    id: Id
    """Names it, also in webhooks."""
    kind: Kind
    """What it is about."""
    organisation: str
    """Whose it is; empty for the operator's own."""
    project: str
    """The project it concerns; empty for the whole organisation."""
    subject: str
    """Id of the thing."""
    message: str
    """The notice as a sentence, in the language asked for."""
    params: dict[str, str | int]
    """Values of the sentence."""
    at: Time
    """When it happened."""
    read_at: Time | None
    """When one read it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _NOTICE,
                "kind": "operation_ended",
                "organisation": _ORG,
                "project": "",
                "subject": "operation_3c8t3r6w0h1ab7v1k0e5m2q9xj",
                "message": "The operation corpus.cleanse ended: done.",
                "params": {"operation": "corpus.cleanse", "outcome": "done"},
                "at": _AT,
                "read_at": None,
            }
        }
    )


class Seen(Sent):
    """Notices that were read."""

    ids: list[Id] = Field(min_length=1, max_length=200)
    """Which ones; those that are nobody's, or somebody else's, change nothing."""

    model_config = ConfigDict(json_schema_extra={"example": {"ids": [_NOTICE]}})


class Counted(Shown):
    """How many notices became read."""

    read: int
    """Of those named, how many were unread before."""

    model_config = ConfigDict(json_schema_extra={"example": {"read": 1}})


class Preference(Shown):
    """By which ways one gets notices of a kind."""

    kind: Kind
    """What they are about."""
    feed: bool
    """In the list of notices."""
    mail: bool
    """By e-mail, to one's contact."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"kind": "budget_80", "feed": True, "mail": True}}
    )


class Choice(Sent):
    """A way of getting notices of one kind, to be chosen."""

    kind: Kind
    """What they are about."""
    feed: bool = Field(strict=True)
    """In the list of notices."""
    mail: bool = Field(strict=True)
    """By e-mail, to one's contact."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"kind": "job_ended", "feed": True, "mail": True}}
    )


class Choices(Sent):
    """What is to be changed; kinds that are not named stay as they are."""

    choices: list[Choice] = Field(min_length=1, max_length=50)
    """One for each kind."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"choices": [{"kind": "job_ended", "feed": True, "mail": True}]}
        }
    )


class Webhook(Shown):
    """An address that gets one's organisation's notices."""

    id: Id
    """Its id."""
    url: str
    """Where they are sent."""
    kinds: list[Kind]
    """Which ones."""
    state: Literal["active", "paused", "gone"]
    """Sent to; not for now, after it failed for long; never again, as it asked."""
    failures: int
    """Attempts that failed since the last that did not."""
    failing_since: Time | None
    """When the first of those was."""
    old_secret_until: Time | None
    """Until when deliveries are signed with the secret before the last rotation, too."""
    created_at: Time
    """When it was added."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _HOOK,
                "url": "https://hooks.example.org/yunhe",
                "kinds": ["job_ended", "budget_100"],
                "state": "active",
                "failures": 0,
                "failing_since": None,
                "old_secret_until": None,
                "created_at": _AT,
            }
        }
    )


class NewWebhook(Sent):
    """An address that is to get one's organisation's notices."""

    url: Text = Field(min_length=1, max_length=2_000)
    """Where to send them: https, to an address the operator allows."""
    kinds: list[Kind] = Field(min_length=1, max_length=50)
    """Which ones."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "url": "https://hooks.example.org/yunhe",
                "kinds": ["job_ended", "budget_100"],
            }
        }
    )


class WebhookWithSecret(Shown):
    """A webhook with its secret, which is shown this once."""

    webhook: Webhook
    """The webhook."""
    secret: str = Field(repr=False)
    """What the receiver checks signatures with (Standard Webhooks)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "webhook": Webhook.model_config["json_schema_extra"]["example"],  # type: ignore[index]
                "secret": "whsec_…",
            }
        }
    )


class Delivery(Shown):
    """One notice on its way to a webhook."""

    id: Id
    """The same at every attempt: the header ``webhook-id``."""
    notice: Id
    """What is sent."""
    state: Literal["waiting", "sending", "done", "dead", "dropped"]
    """To be tried; under way; taken; given up; no longer wanted."""
    attempts: int
    """How often it was tried."""
    next_at: Time | None
    """When it is tried next, while it waits."""
    problem: str
    """Code of the last failure; empty without."""
    status: int
    """HTTP status of the last attempt; 0 without an answer."""
    created_at: Time
    """When it was made."""
    ended_at: Time | None
    """When it was taken or given up."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _DELIVERY,
                "notice": _NOTICE,
                "state": "done",
                "attempts": 1,
                "next_at": None,
                "problem": "",
                "status": 200,
                "created_at": _AT,
                "ended_at": _AT,
            }
        }
    )
