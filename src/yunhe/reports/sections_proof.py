"""What can be checked afterwards: the answer's chain, and the accounts."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.reports.values import Amount, Artefact, Check, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One record of the chain and the verdict on it."""

    reference: str
    """Leaf hash, in hexadecimal."""
    kind: str
    """Kind of record, e.g. ``serving.answer``."""
    subject: str
    """Id of what the record is about."""
    ok: bool
    """Whether it verified."""
    reason: Words | None = None
    """Why it did not."""
    at_us: int | None = None
    """When it was recorded."""
    parents: tuple[tuple[str, str], ...] = ()
    """Role and reference of every record it rests on; they make the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperLine:
    """One byte was changed in a copy of one stored thing; what noticed it."""

    artefact: Words
    """Where the byte was changed."""
    found: bool
    """Whether verification failed, as it must."""
    kind: str | None = None
    """Kind of the record whose link broke."""
    subject: str | None = None
    """Subject of that record."""
    reason: Words | None = None
    """What verification said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationSection:
    """The answer's chain, verified offline from its receipt alone."""

    answer_id: str
    """The answer."""
    ok: bool
    """The verdict on the whole receipt, checkpoint and proofs included."""
    links: tuple[Link, ...] = ()
    """From the answer back to the raw input."""
    reason: Words | None = None
    """What failed when it is no single link, e.g. the checkpoint's signature."""
    origin: str | None = None
    """Name of the log."""
    tree_size: int | None = None
    """Leaves under the checkpoint."""
    root: str | None = None
    """Root hash of the checkpoint."""
    checkpoint_at_us: int | None = None
    """When the checkpoint was signed."""
    key: str | None = None
    """Name or id of the signing key."""
    outside: tuple[Check, ...] = ()
    """Places outside this machine where the checkpoint lies, and whether they agree."""
    command: str | None = None
    """The command that repeats the verification."""
    artefacts: tuple[Artefact, ...] = ()
    """The receipt."""
    tamper: tuple[TamperLine, ...] = ()
    """What one changed byte does; empty when not tried."""
    checks: tuple[Check, ...] = ()
    """What was tried on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLine:
    """One account after the run."""

    owner: Words
    """Whose it is."""
    purpose: str
    """As in the ledger: ``cash``, ``award``, ``voucher``, ``escrow``, ``issuance``, ``fee``."""
    unit: str
    """Unit of account."""
    available: int
    """Free to spend, in minor units; issuance accounts are negative."""
    held: int = 0
    """Held, in minor units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One posting: who gave what to whom."""

    what: Words
    """Its occasion."""
    payer: Words
    """Who gave."""
    payee: Words
    """Who received."""
    amount: Amount
    """How much."""
    at_us: int | None = None
    """When."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSection:
    """Balances in money and device time, and how they came about."""

    balances: tuple[BalanceLine, ...]
    """Accounts, in the order to show."""
    movements: tuple[Movement, ...] = ()
    """Postings, in order."""
    transfers: int | None = None
    """Transfers in the ledger."""
    holds_open: int | None = None
    """Holds not yet captured or released."""
    balanced: bool | None = None
    """Whether a replay of every entry sums to zero in every unit."""
