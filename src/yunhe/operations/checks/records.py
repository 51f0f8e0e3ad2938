"""The custody log and the ledger: what must never have been changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from yunhe.custody import service as custody
from yunhe.custody.domain import Audit
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding
from yunhe.ledger import service as ledger
from yunhe.operations.checks.findings import (
    Found,
    Subject,
    failed,
    fine,
    skipped,
    warning,
)

CLOCK_BACK_SECONDS_MAX = 5
"""How far the newest record may lie ahead of the clock."""
_SHOWN = 5  # problems told of each check


def signing_key(subject: Subject) -> Iterator[Found]:
    """The key of the log is there, private, and the one of the trust file."""
    key = custody.open_signer(subject.settings.home).load()
    if key.name != subject.settings.origin:
        params = {"origin": subject.settings.origin, "present": key.name}
        yield failed("custody.origin_differs", **params)
    else:
        yield fine("operations.doctor.key_fine", key=key.id)


def log(subject: Subject) -> Iterator[Found]:
    """The newest records lead to the newest signature; all of them when looking deep."""
    platform = subject.tables()
    trust = custody.trust(subject.settings.home)
    audit = (
        custody.audit(platform.storage, trust)
        if subject.deep
        else custody.glance(platform.storage, trust)
    )
    yield from _told(audit.problems)
    if not audit.problems:
        params = {"leaves": audit.leaves, "checkpoints": audit.checkpoints}
        yield fine("operations.doctor.log_fine", **params)


def outside(subject: Subject) -> Iterator[Found]:
    """Checkpoints lie at a second place, and the log continues every one of them."""
    platform = subject.tables()
    text = platform.publisher.read()
    with platform.storage.database.read() as tx:
        newest = custody.newest(tx)
    if newest is None and not text:
        yield skipped("operations.doctor.log_empty")
        return
    if not text.strip():
        yield failed("operations.doctor.outside_empty")
        return
    trust = custody.trust(subject.settings.home)
    audit: Audit = custody.check_outside(platform.storage, [text], trust=trust)
    yield from _told(audit.problems)
    if audit.problems:
        return
    if not subject.settings.checkpoints:
        yield warning("operations.doctor.outside_inside", checkpoints=audit.checkpoints)
    else:
        yield fine("operations.doctor.outside_fine", checkpoints=audit.checkpoints)


def clock(subject: Subject) -> Iterator[Found]:
    """The clock has not gone back behind what was signed."""
    platform = subject.tables()
    with platform.storage.database.read() as tx:
        newest = custody.newest(tx)
    if newest is None:
        yield skipped("operations.doctor.log_empty")
        return
    ahead = (newest.at_us - platform.storage.clock.now_us()) // SECOND_US
    if ahead > CLOCK_BACK_SECONDS_MAX:
        yield failed("operations.doctor.clock_back", seconds=ahead)
    else:
        yield fine("operations.doctor.clock_fine")


def money(subject: Subject) -> Iterator[Found]:
    """Every unit of the ledger sums to zero; when looking deep, every balance is replayed."""
    platform = subject.tables()
    with platform.storage.database.read() as tx:
        if subject.deep:
            replay = ledger.replay(tx)
            yield from _told(replay.problems)
            if replay.ok:
                yield fine("operations.doctor.replay_fine", transfers=replay.transfers)
            return
        sums: dict[str, int] = defaultdict(int)
        for line in ledger.balances(tx):
            sums[line.unit] += line.available  # what is held lies in the unit's escrow account
    for unit, amount in sorted(sums.items()):
        if amount:
            yield failed("operations.doctor.ledger_sum", unit=unit, amount=amount)
    if not any(sums.values()):
        yield fine("operations.doctor.ledger_fine", units=len(sums))


def _told(problems: tuple[Finding, ...] | list[Finding]) -> Iterator[Found]:
    for problem in problems[:_SHOWN]:
        params = {"where": problem.where, "problem": problem.message("en")}
        yield failed("operations.doctor.tampered", **params)


CHECKS = {
    "signing_key": signing_key,
    "log": log,
    "outside": outside,
    "clock": clock,
    "ledger": money,
}
"""By the name each has in the answer."""
