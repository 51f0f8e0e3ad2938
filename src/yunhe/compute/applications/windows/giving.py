"""Gives device time out, window by window; each amount is a movement in the ledger.

A window that begins becomes an award of its own, which the scheduler draws from like any other.
When it is over, what is left is given back, and what the programme carries over is granted anew for
the next window. Nothing is given without the record of a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yunhe.compute import store as compute_store
from yunhe.compute.accepting import Accepted, accepted_text
from yunhe.compute.admission import AWARD, admit
from yunhe.compute.applications import store as applications
from yunhe.compute.applications.domain import RULES, Application, Window
from yunhe.compute.applications.programmes import known
from yunhe.compute.applications.windows import store
from yunhe.compute.applications.windows.spans import Span, carry
from yunhe.compute.domain import Award, AwardStatus
from yunhe.compute.limits import service as limits
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.canonical import Json
from yunhe.kernel.ids import derived_id
from yunhe.kernel.units import device_unit
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction

TURN_MAX = 200
"""Windows one call opens or closes at most."""


@dataclass(frozen=True, slots=True)
class For:
    """What device time is given for."""

    chip: str
    """A chip, or the word for several."""
    accepts: Accepted | None
    """Of several: which, and how each counts."""


def give(
    tx: Transaction,
    application: str,
    on: For,
    spans: Sequence[Span],
    *,
    decision: str,
    now_us: int,
    carried: int = 0,
) -> None:
    """Add windows behind those an application has, and open those that have begun."""
    last = max((each.position for each in store.of(tx, application)), default=0)
    for number, span in enumerate(spans, start=last + 1):
        if span.device_ms:
            store.add(
                tx,
                Window(
                    application=application,
                    position=number,
                    carried=carried,
                    chip=on.chip,
                    starts_at_us=span.starts_at_us,
                    ends_at_us=span.ends_at_us,
                    device_ms=span.device_ms,
                    award="",
                    moved_ms=0,
                    closed=False,
                    decision=decision,
                    accepts=on.accepts,
                ),
            )
    _open([each for each in store.of(tx, application) if _begins(each, now_us)], tx, now_us)


def turn(tx: Transaction, *, now_us: int) -> int:
    """Close the windows that are over and open those that begin; how many were changed.

    A window of which something is still held is closed once that is settled. Cost: at most
    `TURN_MAX` of each, a few statements for each.
    """
    closed = sum(
        _close(tx, each, now_us) for each in store.ended(tx, now_us=now_us, limit=TURN_MAX)
    )
    begin = store.beginning(tx, now_us=now_us, limit=TURN_MAX)
    _open(begin, tx, now_us)
    return closed + len(begin)


def _begins(window: Window, now_us: int) -> bool:
    return not window.award and window.starts_at_us <= now_us < window.ends_at_us


def _open(windows: list[Window], tx: Transaction, now_us: int) -> None:
    for window in windows:
        _grant(tx, window, now_us=now_us)
    if windows:
        admit(tx, now_us=now_us)


def _grant(tx: Transaction, window: Window, *, now_us: int) -> None:
    application = applications.application(tx, window.application)
    assert application is not None  # noqa: S101 - windows are written for one that is there
    organisation = application.proposal.organisation
    name = f"{window.position}.{window.carried}"
    award_id = derived_id("award", window.application, name)
    unit = device_unit(window.chip)
    account = ledger.open_account(tx, owner=organisation, unit=unit, purpose=AWARD)
    transfer = ledger.grant(
        tx,
        key=f"compute:{award_id}",
        account=account,
        amount=window.device_ms,
        at_us=now_us,
        memo=f"{window.application} {name}",
    )
    body: dict[str, Json] = {
        "organisation": organisation,
        "unit": unit,
        "amount_minor": window.device_ms,
        "expires_at_us": window.ends_at_us,
        "awarded_by": application.decided_by,
        "transfer": transfer,
        "application": window.application,
        "carried": window.carried,
        **({} if window.accepts is None else {"accepts": window.accepts.as_json()}),
    }
    links = {"decision": window.decision}
    reference = custody.append(tx, Record("compute.award", award_id, now_us, body, links))
    rules = known(tx, application.proposal.programme)
    made = Award(
        award_id,
        organisation,
        window.chip,
        window.device_ms,
        window.ends_at_us,
        reference,
        None if rules is None else rules.terms.priority_max,
        window.accepts,
    )
    compute_store.add_award(
        tx, made, transfer=transfer, awarded_by=application.decided_by or RULES, at_us=now_us
    )
    store.change(tx, window, award=award_id)
    if rules is not None and rules.terms.jurisdictions:
        where, why = rules.terms.jurisdictions, application.proposal.programme
        limits.limit_award(tx, award_id, where, reason=why, by=RULES, at_us=now_us)


def _close(tx: Transaction, window: Window, now_us: int) -> int:
    unused_ms = window.device_ms
    if window.award:
        (status,) = compute_store.awards(tx, award=window.award)
        given_ms = _give_back(tx, status, name="lapse", now_us=now_us)
        if status.held_ms:
            return int(given_ms > 0)
        unused_ms = status.lapsed_ms + given_ms - window.moved_ms
    store.change(tx, window, closed=1)
    _carry(tx, window, unused_ms, now_us=now_us)
    return 1


def end(tx: Transaction, application: str, *, now_us: int) -> int:
    """End every window of an application that is closed; how much went back at once.

    What is held for running work is honoured; what that leaves lapses as it does of expired awards.
    """
    given_ms, ended = 0, False
    for window in store.of(tx, application):
        if window.closed or window.ends_at_us <= now_us:
            continue
        if not window.award:
            store.change(tx, window, closed=1)
            continue
        (status,) = compute_store.awards(tx, award=window.award)
        given_ms += _give_back(tx, status, name="closed", now_us=now_us)
        compute_store.set_expiry(tx, window.award, expires_at_us=now_us)
        store.change(tx, window, ends_at_us=now_us)
        _close(tx, replace(window, ends_at_us=now_us), now_us)
        ended = True
    if ended:
        admit(tx, now_us=now_us)
    return given_ms


def _carry(tx: Transaction, window: Window, unused_ms: int, *, now_us: int) -> None:
    application = applications.application(tx, window.application)
    assert application is not None  # noqa: S101 - as above
    rules = known(tx, application.proposal.programme)
    if rules is None:  # no terms are left that would carry anything
        return
    amount_ms = carry(rules.terms, unused_ms=unused_ms, carried=window.carried)
    following = [
        each
        for each in store.of(tx, window.application)
        if each.carried == 0 and not each.closed and each.starts_at_us >= window.ends_at_us
    ]
    if amount_ms and following and application.state == "awarded":
        heir = min(following, key=lambda each: each.starts_at_us)
        span = Span(heir.starts_at_us, heir.ends_at_us, amount_ms)
        give(
            tx,
            window.application,
            For(heir.chip, heir.accepts),
            [span],
            decision=window.decision,
            now_us=now_us,
            carried=window.carried + 1,
        )


def _give_back(tx: Transaction, status: AwardStatus, *, name: str, now_us: int) -> int:
    """Return what is left of an award to where it was granted from; how much that was."""
    award = status.award
    if status.left_ms <= 0:
        return 0
    account = ledger.open_account(
        tx, owner=award.organisation, unit=device_unit(award.chip), purpose=AWARD
    )
    amount_ms = min(status.left_ms, ledger.balance(tx, account).available)
    if amount_ms <= 0:
        return 0
    ledger.refund(
        tx,
        key=f"compute:{award.id}:{name}:{status.lapsed_ms}",
        transfer=compute_store.transfer_of_award(tx, award.id),
        amount=amount_ms,
        at_us=now_us,
        memo="expired" if name == "lapse" else name,
    )
    compute_store.set_lapsed(tx, award.id, lapsed_ms=status.lapsed_ms + amount_ms)
    return amount_ms


def reissue(
    tx: Transaction,
    application: Application,
    *,
    on: For | None,
    ends_at_us: int,
    decision: str,
    now_us: int,
) -> int:
    """Give what is left of an award out again for another chip or until later; how much.

    What is held stays as it is until its workload ends. Windows that have not begun get the new
    chip, ``None``: keep theirs; those that end with the award get its new end.
    """
    moved = []
    for window in store.of(tx, application.id):
        if window.closed or window.ends_at_us <= now_us:
            continue
        last = window.ends_at_us == application.ends_at_us
        until_us = ends_at_us if last else window.ends_at_us
        on_now = on or For(window.chip, window.accepts)
        if (on_now, until_us) == (For(window.chip, window.accepts), window.ends_at_us):
            continue
        if not window.award:
            kept = accepted_text(on_now.accepts)
            store.change(tx, window, chip=on_now.chip, ends_at_us=until_us, accepts=kept)
            continue
        (status,) = compute_store.awards(tx, award=window.award)
        left_ms = _give_back(tx, status, name="reissued", now_us=now_us)
        if left_ms:
            store.change(tx, window, moved_ms=window.moved_ms + left_ms)
            moved.append((on_now, window.carried, Span(now_us, until_us, left_ms)))
    for on_now, carried, span in moved:
        give(tx, application.id, on_now, [span], decision=decision, now_us=now_us, carried=carried)
    return sum(span.device_ms for _, _, span in moved)
