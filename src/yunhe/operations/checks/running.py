"""Whether somebody works: signing, duties, operations that hang."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.language import Language, text
from yunhe.operations import store
from yunhe.operations.checks.findings import Found, Subject, failed, fine, warning
from yunhe.operations.health import SIGNING_SECONDS_MAX, WORKING_SECONDS_MAX
from yunhe.storage import leases

WAITING_SECONDS_MAX = 3_600
"""Work that has waited longer is told."""
ABANDONED_SECONDS = 300
"""A lease that ran out so long ago was left by a worker that is gone, and nobody took over."""
USAGE_DAYS = 7
"""Usage of which something was wrong is told for so long."""


def sequencer(subject: Subject) -> Iterator[Found]:
    """No record waits long to be signed."""
    platform = subject.tables()
    with platform.storage.database.read() as tx:
        backlog = custody.backlog(tx)
    now_us = platform.storage.clock.now_us()
    seconds = 0 if backlog.oldest_us is None else (now_us - backlog.oldest_us) // SECOND_US
    if seconds > SIGNING_SECONDS_MAX:
        yield failed("operations.nobody_signs", seconds=seconds)
    else:
        yield fine("operations.doctor.sequencer_fine", waiting=backlog.count)


def worker(subject: Subject) -> Iterator[Found]:
    """Some worker showed a sign of life, and no duty fails."""
    platform = subject.tables()
    with platform.storage.database.read() as tx:
        duties = store.all_duties(tx)
    now_us = platform.storage.clock.now_us()
    newest_us = max((duty.ended_at_us or 0 for duty in duties), default=0)
    for duty in duties:
        if duty.problem:
            yield failed("operations.doctor.duty_failing", duty=duty.name, problem=duty.problem)
    if now_us - newest_us > WORKING_SECONDS_MAX * SECOND_US:
        yield warning("operations.nobody_works")
    elif not any(duty.problem for duty in duties):
        yield fine("operations.doctor.worker_fine")


def work(subject: Subject) -> Iterator[Found]:
    """No operation hangs."""
    platform = subject.tables()
    with platform.storage.database.read() as tx:
        depths = leases.depths(tx)
        now_us = platform.storage.clock.now_us()
        left = leases.abandoned(tx, before_us=now_us - ABANDONED_SECONDS * SECOND_US)
    stuck = left > 0
    if left:
        yield warning("operations.doctor.work_abandoned", count=left)
    for (kind, state), tally in sorted(depths.items()):
        seconds = (now_us - (tally.oldest_us or now_us)) // SECOND_US
        if state == "ready" and seconds > WAITING_SECONDS_MAX:
            stuck = True
            hours = seconds // 3_600
            yield warning("operations.doctor.work_waits", kind=kind, count=tally.count, hours=hours)
    if not stuck:
        yield fine("operations.doctor.work_fine", count=sum(t.count for t in depths.values()))


def plan(subject: Subject) -> Iterator[Found]:
    """Passes follow a plan that is sound and young, or there is none to follow."""
    platform = subject.tables()
    with platform.storage.database.read() as tx:
        made = compute.planning.latest(tx)
    now_us = platform.storage.clock.now_us()
    if subject.settings.plan_minutes == 0 or made is None or made.state == "empty":
        yield fine("operations.doctor.plan_none")
    elif made.reason:
        yield warning("operations.doctor.plan_ignored", reason=made.reason)
    elif not made.followed(now_us):
        minutes = abs(now_us - made.at_us) // (60 * SECOND_US)
        yield warning("operations.doctor.plan_old", minutes=minutes)
    else:
        yield fine("operations.doctor.plan_fine", gap_ppm=made.gap_ppm)


def policy(subject: Subject) -> Iterator[Found]:
    """By which policy passes decide; always fine."""
    with subject.tables().storage.database.read() as tx:
        found = compute.policy.chosen(tx)
    yield fine("operations.doctor.policy_fine", policy=found.name)


@dataclass(frozen=True, slots=True)
class Reported(Found):
    """What was wrong with usage, of which ``finding`` names the sentence."""

    def message(self, language: Language) -> str:
        """What was found."""
        finding = text(str(self.params["finding"]), language)
        return text(self.code, language, **{**self.params, "finding": finding})


def usage(subject: Subject) -> Iterator[Found]:
    """No site reported usage that cannot be true, or differs from what is paid here."""
    platform = subject.tables()
    since_us = platform.storage.clock.now_us() - USAGE_DAYS * DAY_US
    jobs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    with platform.storage.database.read() as tx:
        for site, judged in compute.remote.findings(tx, since_us=since_us):
            jobs[site, judged.finding].append(judged.event.job)
    for (site, finding), named in sorted(jobs.items()):
        params: dict[str, str | int] = {"site": site, "finding": finding}
        params |= {"count": len(named), "job": named[-1]}
        yield Reported("warning", "operations.doctor.usage_wrong", params)
    if not jobs:
        yield fine("operations.doctor.usage_fine", days=USAGE_DAYS)


CHECKS = {
    "sequencer": sequencer,
    "worker": worker,
    "work": work,
    "plan": plan,
    "policy": policy,
    "usage": usage,
}
"""By the name each has in the answer."""
