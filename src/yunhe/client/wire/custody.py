"""Messages about the log."""

from __future__ import annotations

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.shapes import Finding, Sent, Shown, Time

RECEIPT_LETTERS_MAX = 900_000
"""Longest receipt that is judged over HTTP; the verifier itself takes longer ones."""


class Receipt(Shown):
    """A record with everything it rests on, and the proofs that the log holds them.

    Check it with `yunhe verify` or the one-file verifier, byte for byte as it was received.
    """

    format: str
    """Version of this form."""
    subject: str
    """Reference of the record."""
    checkpoint: str
    """The signed statement of the log that the proofs lead to."""
    entries: dict[str, JsonValue]
    """Reference → leaf number, proof, and, unless erased, the record."""
    rotations: list[JsonValue]
    """Changes of the signing key since the log began."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "format": "yunhe.receipt/1",
                "subject": "9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015",
                "checkpoint": "yunhe.local/log\\n1\\n…",
                "entries": {},
                "rotations": [],
            }
        }
    )


class Record(Shown):
    """One fact of the chain of custody; ids are pseudonyms, content is present as digests."""

    reference: str
    """Names it: the hash of its leaf."""
    kind: str
    """What sort of fact, e.g. ``model.version``."""
    subject: str
    """Id of what it is about."""
    at: Time
    """When it happened."""
    body: dict[str, JsonValue]
    """Its facts."""
    links: dict[str, str]
    """Role → reference of a record it rests on."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reference": "5d" * 32,
                "kind": "model.version",
                "subject": "model_0e5m2q9xj4c8t3r6w0h1ab7v1k",
                "at": "2026-11-22T09:30:00.000000Z",
                "body": {"name": "hotline-router"},
                "links": {"usage": "6e" * 32, "split": "7f" * 32},
            }
        }
    )


class SentReceipt(Sent):
    """A receipt to be judged."""

    receipt: str = Field(min_length=2, max_length=RECEIPT_LETTERS_MAX)
    """Its text exactly as it was received: another spelling proves nothing."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"receipt": '{"checkpoint":"…","entries":{}}'}}
    )


class Judgement(Shown):
    """The judgement on one record, or on the signed checkpoint."""

    role: str
    """What it is to the record that links to it; ``subject`` for the one asked about."""
    kind: str
    """Kind of record; ``checkpoint`` for the seal."""
    subject: str
    """Id of what the record is about."""
    ok: bool
    """Whether everything that concerns it holds."""
    reason: str
    """Stable name of why not; empty when it holds."""
    message: str
    """The same as a sentence, in the language asked for."""
    detail: str
    """Which rule, role, key, size or reference it is about."""


class Verdict(Shown):
    """The judgement on a receipt; whoever does not trust this platform runs the verifier alone."""

    ok: bool
    """Whether the seal and every link hold."""
    seal: Judgement
    """On the checkpoint."""
    links: list[Judgement]
    """On each record, the subject first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "ok": False,
                "seal": {
                    "role": "receipt",
                    "kind": "checkpoint",
                    "subject": "",
                    "ok": False,
                    "reason": "malformed",
                    "message": "not of the expected form",
                    "detail": "JSON",
                },
                "links": [],
            }
        }
    )


class Audit(Shown):
    """What a look at the end of the log found."""

    ok: bool
    """Whether something was compared and nothing contradicted it."""
    leaves: int
    """Leaves that were looked at."""
    pending: int
    """Records that wait to be signed."""
    checkpoints: int
    """Checkpoints that were compared."""
    problems: list[Finding]
    """Every contradiction."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "ok": True,
                "leaves": 500,
                "pending": 0,
                "checkpoints": 1,
                "problems": [],
            }
        }
    )


class NewAudit(Sent):
    """The whole log to be audited."""

    model_config = ConfigDict(json_schema_extra={"example": {}})
