"""Messages about accounts, entries, grants and transfers."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from yunhe.client.wire.shapes import Amount, Id, Sent, Shown, Text, Time

_ACCOUNT = "acct_4q9xj2c8t3r6w0h1ab7v1k0e5m"
_OTHER = "acct_1ab7v1k0e5m4q9xj2c8t3r6w0h"
_TRANSFER = "transfer_0e5m4q9xj2c8t3r6w0h1ab7v1k"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_AT = "2026-11-22T09:30:00.000000Z"


class Account(Shown):
    """What an account has now."""

    id: Id
    """Its id."""
    owner: str
    """Whose it is; ``ledger`` for the units' own accounts."""
    unit: str
    """In what, e.g. ``CNY`` or ``device:H200``."""
    purpose: str
    """For what, e.g. ``cash``."""
    available: int
    """Free to spend, in minor units."""
    held: int
    """Set aside for open holds, no longer part of ``available``."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _ACCOUNT,
                "owner": _ORG,
                "unit": "CNY",
                "purpose": "cash",
                "available": 125_000,
                "held": 4_000,
            }
        }
    )


class Line(Shown):
    """One entry as this account sees it."""

    transfer: str
    """The transfer it is part of."""
    kind: str
    """Of the transfer, e.g. ``grant`` or ``capture``."""
    at: Time
    """When it happened."""
    counterpart: Id
    """The account on the other side."""
    unit: str
    """In what."""
    amount: int
    """In minor units; below zero when it left this account."""
    memo: str
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "transfer": _TRANSFER,
                "kind": "grant",
                "at": _AT,
                "counterpart": _OTHER,
                "unit": "CNY",
                "amount": 125_000,
                "memo": "first quarter",
            }
        }
    )


class NewIssuance(Sent):
    """An amount to be issued to an organisation: a top-up, an award, a voucher."""

    organisation: Id
    """Who gets it."""
    unit: Text = Field(min_length=1, max_length=200)
    """In what."""
    purpose: str = Field(default="cash", pattern=r"^[a-z][a-z0-9_.-]{0,63}$")
    """Which of its accounts; opened if it is not there."""
    amount: Amount
    """How much, in minor units."""
    memo: Text = Field(default="", max_length=500)
    """Why; kept for ever, so no personal data."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "organisation": _ORG,
                "unit": "CNY",
                "purpose": "cash",
                "amount": 125_000,
                "memo": "first quarter",
            }
        }
    )


class NewEntry(Sent):
    """An amount to be moved between two accounts of one unit."""

    debit: Id
    """The account it leaves: one's own."""
    credit: Id
    """The account it reaches."""
    amount: Amount
    """How much, in minor units."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"debit": _ACCOUNT, "credit": _OTHER, "amount": 2_500}}
    )


class NewTransfer(Sent):
    """Amounts to be moved, all or none."""

    entries: list[NewEntry] = Field(min_length=1, max_length=200)
    """What to move."""
    memo: Text = Field(default="", max_length=500)
    """Why; kept for ever, so no personal data."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "entries": [{"debit": _ACCOUNT, "credit": _OTHER, "amount": 2_500}],
                "memo": "share of the test set",
            }
        }
    )


class Posted(Shown):
    """A transfer that happened."""

    transfer: Id
    """Its id."""

    model_config = ConfigDict(json_schema_extra={"example": {"transfer": _TRANSFER}})
