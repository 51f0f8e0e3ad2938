"""Why a job at a site is asked to end, and what has been asked of it already."""

from __future__ import annotations

from sqlalchemy import RowMapping

from yunhe.compute.passes.domain import GRACE_SECONDS
from yunhe.compute.providers.remote import Pushes, Remote
from yunhe.compute.remote.ending import too_long
from yunhe.compute.yielding.domain import CUT_SHORT, MAKES_ROOM
from yunhe.kernel.clock import SECOND_US

UNWANTED, TOO_LONG = 1, 2
"""Nobody wants it any more; it runs longer than it may."""
SPARE_SECONDS = 60
"""How much longer than its grace a job may seem to run that was asked to save itself."""


def reason(job: RowMapping, workload: RowMapping | None, *, now_us: int) -> int:
    """What is to be asked of a job now; 0: nothing, it goes on, or all there is was asked."""
    sent = job["cancel_sent"]
    if workload is None or workload["cancel_asked"]:
        return UNWANTED if sent in (0, MAKES_ROOM) else 0
    if job["phase"] == "running" and sent in (0, MAKES_ROOM):
        asked_us = workload["push_asked_us"]
        if too_long(job, workload, now_us=now_us):
            return TOO_LONG
        if sent == MAKES_ROOM and asked_us is not None:
            had_us = (GRACE_SECONDS + SPARE_SECONDS) * SECOND_US
            return CUT_SHORT if now_us - asked_us > had_us else 0
    return MAKES_ROOM if not sent and workload["push_asked_us"] is not None else 0


def ask(remote: Remote, job: str, why: int) -> None:
    """Ask it of the provider. Errors: `Unavailable`."""
    if why == MAKES_ROOM and isinstance(remote, Pushes):
        remote.push_out(job, grace_seconds=GRACE_SECONDS)
    else:
        remote.cancel(job)
