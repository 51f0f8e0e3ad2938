"""One pass of sending: claim what is due, send it outside any transaction, note what became of it.

A worker killed in between leaves its claims; the next one sends again under the same ids. So what
was sent and not noted arrives twice, and never not at all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from yunhe.identity import service as identity
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.clock import SECOND_US, iso
from yunhe.kernel.errors import NotFound, YunheError
from yunhe.kernel.ids import new_id
from yunhe.notices import letters
from yunhe.notices.domain import Delivery, Notice
from yunhe.notices.sending import schedule, store
from yunhe.notices.sending.spreading import spread
from yunhe.notices.ways import Ways
from yunhe.notices.webhooks import commands, signing
from yunhe.notices.webhooks.failing import note_failure, note_success
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

CLAIMED_MAX = 64
"""Deliveries that one pass takes."""
EACH_MAX = 8
"""Of those, to one target: a receiver that is slow holds up others no longer than that."""
SENDING_AT_ONCE = 8
"""Targets that are sent to at the same time."""
SEND_SECONDS_MAX = 10
"""Longest time one webhook has to answer."""
DELIVER_SECONDS_MAX = 20
"""After so long `deliver` begins no further pass."""
LEASE_SECONDS = EACH_MAX * SEND_SECONDS_MAX * 2
"""How long a claim holds: all that goes to one target, with room to spare."""
PUT_BACK_SECONDS_MAX = 300
"""Longest wait for what was not tried because its target had just failed."""


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of one attempt."""

    outcome: Literal["done", "failed", "hopeless", "unwanted"]
    """Taken; to be tried again; never to be taken; no longer to be sent."""
    status: int = 0
    """HTTP or SMTP status; 0 without an answer."""
    problem: str = ""
    """Code of what went wrong."""
    wait_us: int = 0
    """Least wait that the receiver asked for."""
    gone: bool = False
    """The receiver wants no more, ever."""


def deliver(storage: Storage, ways: Ways) -> int:
    """Send what is due by webhook and mail; returns how many attempts were made.

    Any number of workers may do this at once: each delivery is claimed by one. Errors: the
    database's; what goes wrong in sending is noted and tried again. Cost: when nothing is due, one
    read; else a few transactions for each delivery. Ends when nothing is due any more, or with the
    first pass after `DELIVER_SECONDS_MAX`.
    """
    attempts = 0
    until = time.monotonic() + DELIVER_SECONDS_MAX
    while time.monotonic() < until:
        with storage.database.read() as tx:
            if not store.anything_open(tx, now_us=storage.clock.now_us()):
                break
        spread(storage, mail=ways.mailer is not None)
        claimed = _claim(storage, token := new_id("claim"))
        if not claimed:
            break
        by_target: dict[str, list[Delivery]] = {}
        for item in claimed:
            by_target.setdefault(item.target, []).append(item)
        sender = _Sender(storage, ways, token)
        with ThreadPoolExecutor(min(SENDING_AT_ONCE, len(by_target)), "notices") as pool:
            attempts += sum(pool.map(sender.send_all, by_target.values()))
    return attempts


def _claim(storage: Storage, token: str) -> list[Delivery]:
    now_us = storage.clock.now_us()
    until_us = now_us + LEASE_SECONDS * SECOND_US
    with storage.database.begin() as tx:
        return store.claim(
            tx, token, now_us=now_us, until_us=until_us, limit=CLAIMED_MAX, each=EACH_MAX
        )


class _Sender:
    """Sends what one pass claimed."""

    def __init__(self, storage: Storage, ways: Ways, token: str) -> None:
        self._storage = storage
        self._ways = ways
        self._token = token

    def send_all(self, items: Sequence[Delivery]) -> int:
        """Everything to one target, in turn; after a failure the rest goes back."""
        attempts = 0
        for place, item in enumerate(items):
            result = self._send(item)
            attempts += result.outcome != "unwanted"
            with self._storage.database.begin() as tx:
                wait_us = self._note(tx, item, result, now_us=self._storage.clock.now_us())
            if result.gone:
                break
            if wait_us is not None:
                self._put_back(item.target, items[place + 1 :], wait_us)
                break
        return attempts

    def _send(self, item: Delivery) -> _Result:
        with self._storage.database.read() as tx:
            found = store.notice_of(tx, item.notice)
        if found is None or not found[1]:
            return _Result("unwanted", problem="notices.withdrawn")
        if item.way == "webhook":
            return self._post(item, found[0])
        return self._mail(item, found[0])

    def _post(self, item: Delivery, notice: Notice) -> _Result:
        now_us = self._storage.clock.now_us()
        try:
            with self._storage.database.read() as tx:
                hook = commands.found(tx, item.target)
                secrets = commands.secrets_of(tx, self._ways, hook, now_us=now_us)
            body = payload(notice)
            seconds = now_us // SECOND_US
            answer = self._ways.outbound.request(
                "POST",
                hook.url,
                headers={
                    "content-type": "application/json",
                    **signing.headers(secrets, message=item.id, timestamp=seconds, body=body),
                },
                content=body,
                seconds_max=SEND_SECONDS_MAX,
                body_wanted=False,
            )
        except NotFound as error:
            return _Result("unwanted", problem=error.code)
        except YunheError as error:
            return _Result("failed", problem=error.code)
        if 200 <= answer.status < 300:
            return _Result("done", answer.status)
        wait_us = schedule.asked_wait_us(answer.headers.get("retry-after", ""), now_us=now_us)
        gone = answer.status == 410
        outcome: Literal["hopeless", "failed"] = "hopeless" if gone else "failed"
        return _Result(outcome, answer.status, "notices.not_taken", wait_us, gone)

    def _mail(self, item: Delivery, notice: Notice) -> _Result:
        from yunhe.notices.mail import Letter, Refused  # noqa: PLC0415 - only where mail is sent

        with self._storage.database.read() as tx:
            to = identity.member(tx, item.target).contact
        if self._ways.mailer is None or not to:
            return _Result("unwanted", problem="notices.no_address")
        subject, said = letters.of_notice(notice, public_url=self._ways.public_url)
        try:
            self._ways.mailer.send(Letter(item.id, to, subject, said, notice.at_us))
        except Refused as error:
            return _Result("hopeless", error.status, "notices.not_taken")
        except YunheError as error:
            return _Result("failed", int(error.params.get("status", 0)), error.code)
        return _Result("done", 250)

    def _note(self, tx: Transaction, item: Delivery, result: _Result, *, now_us: int) -> int | None:
        """Write down the result; how long to leave its target alone, if it failed."""
        attempts = item.attempts + (result.outcome != "unwanted")
        wait_us = None
        if result.outcome == "failed":
            wait_us = schedule.wait_us(item.id, attempts)
        retried = wait_us is not None
        pause_us = max(wait_us or 0, result.wait_us)
        states = {"done": "done", "unwanted": "dropped", "hopeless": "dead", "failed": "dead"}
        kept = store.close(
            tx,
            item.id,
            self._token,
            state="waiting" if retried else states[result.outcome],
            attempts=attempts,
            next_at_us=now_us + pause_us,
            status=result.status,
            problem=result.problem,
            ended_at_us=None if retried else now_us,
        )
        if kept and item.way == "webhook":
            if result.outcome == "done":
                note_success(tx, item.target)
            elif result.outcome != "unwanted":
                note_failure(tx, item, gone=result.gone, given_up=not retried, at_us=now_us)
        if result.outcome != "failed":
            return None
        return max(min(pause_us, PUT_BACK_SECONDS_MAX * SECOND_US), result.wait_us)

    def _put_back(self, target: str, items: Sequence[Delivery], wait_us: int) -> None:
        """Leave a target that failed alone for a while, with all that is meant for it."""
        until_us = self._storage.clock.now_us() + wait_us
        with self._storage.database.begin() as tx:
            for item in items:
                store.close(
                    tx,
                    item.id,
                    self._token,
                    state="waiting",
                    attempts=item.attempts,
                    next_at_us=until_us,
                    status=item.status,
                    problem=item.problem,
                )
            store.defer(tx, target, until_us=until_us)


def payload(notice: Notice) -> bytes:
    """The body of a webhook: type, time and data, as Standard Webhooks recommends."""
    return canonical_bytes(
        {
            "type": notice.kind,
            "timestamp": iso(notice.at_us),
            "data": {
                "id": notice.id,
                "organisation": notice.organisation,
                "project": notice.project,
                "subject": notice.subject,
                "params": dict(notice.params),
                "message": {"en": notice.message("en"), "zh": notice.message("zh")},
            },
        }
    )
