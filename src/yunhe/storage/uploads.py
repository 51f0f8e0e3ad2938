"""Which organisation sent which bytes, so that nobody works on another's by naming its digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Table, delete, func, select

from yunhe.kernel.errors import Exhausted, NotFound
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Digest, Id, Instant, metadata

uploads = Table(
    "storage_upload",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("digest", Digest, primary_key=True),
    Column("member", Id, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("at_us", Instant, nullable=False),
)


def keep(
    tx: Transaction,
    *,
    organisation: str,
    member: str,
    digest: str,
    size_bytes: int,
    at_us: int,
) -> None:
    """Note that a blob, stored before, came from an organisation; again changes nothing."""
    row = {
        "organisation": organisation,
        "digest": digest,
        "member": member,
        "size_bytes": size_bytes,
        "at_us": at_us,
    }
    dialect.insert_new(tx, uploads, [row])


def used(tx: Transaction, organisation: str) -> int:
    """Bytes of all that the organisation sent. Cost: a scan of its uploads."""
    query = select(func.coalesce(func.sum(uploads.c.size_bytes), 0))
    return int(tx.execute(query.where(uploads.c.organisation == organisation)).scalar_one())


def require_room(tx: Transaction, organisation: str, *, size_bytes: int, limit: int) -> None:
    """Return when the organisation may send so many bytes more.

    True until the transaction ends only where nobody writes beside it. Errors: `Exhausted`
    ``storage.uploads_exhausted``, with what is used and the limit.
    """
    taken = used(tx, organisation)
    if taken + size_bytes > limit:
        raise Exhausted("storage.uploads_exhausted", used=taken, limit=limit, size=size_bytes)


def holds(tx: Transaction, organisation: str, digest: str) -> bool:
    """Whether the organisation sent it, so that sending it again takes no more room."""
    return bool(sent(tx, organisation, [digest]))


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes that an organisation sent."""

    organisation: str
    """Which one."""
    digest: str
    """Names the blob."""
    member: str
    """Who sent them first."""
    size_bytes: int
    """How many."""
    at_us: int
    """When they came first."""


def find(tx: Transaction, *, organisation: str, digest: str) -> Upload:
    """What the organisation sent. Errors: as `require`, alike for what others sent."""
    row = tx.execute(
        select(uploads).where(uploads.c.organisation == organisation, uploads.c.digest == digest)
    ).one_or_none()
    if row is None:
        raise NotFound("storage.upload_unknown", digest=digest[:80])
    return Upload(row.organisation, row.digest, row.member, row.size_bytes, row.at_us)


def require(tx: Transaction, organisation: str, digests: Iterable[str]) -> None:
    """Return when the organisation sent all of them.

    Errors: `NotFound` ``storage.upload_unknown`` for the first that it did not, whether or not
    there is such a blob.
    """
    for digest in digests:
        query = select(uploads.c.digest).where(
            uploads.c.organisation == organisation, uploads.c.digest == digest
        )
        if tx.execute(query).first() is None:
            raise NotFound("storage.upload_unknown", digest=digest[:80])


def sent(tx: Transaction, organisation: str, digests: Iterable[str]) -> set[str]:
    """Those of the digests that the organisation sent."""
    query = select(uploads.c.digest).where(
        uploads.c.organisation == organisation, uploads.c.digest.in_(list(digests))
    )
    return set(tx.scalars(query))


def sent_by(tx: Transaction, member: str) -> list[tuple[str, str]]:
    """Organisation and digest of what a member sent, oldest first."""
    query = (
        select(uploads.c.organisation, uploads.c.digest)
        .where(uploads.c.member == member)
        .order_by(uploads.c.at_us, uploads.c.digest)
    )
    return [(row.organisation, row.digest) for row in tx.execute(query)]


def forget(tx: Transaction, digest: str, *, organisation: str | None = None) -> bool:
    """Forget that an organisation, or anybody, sent it; whether nobody is left who did."""
    gone = delete(uploads).where(uploads.c.digest == digest)
    if organisation is not None:
        gone = gone.where(uploads.c.organisation == organisation)
    tx.execute(gone)
    return unclaimed(tx, digest)


def unclaimed(tx: Transaction, digest: str) -> bool:
    """Whether nobody sent it."""
    left = select(func.count()).select_from(uploads).where(uploads.c.digest == digest)
    return tx.execute(left).scalar_one() == 0
