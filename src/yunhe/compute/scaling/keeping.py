"""What is to be done so that a service has the replicas it wants; pure.

A replica near its wall limit gets a successor and stays until that one serves: the two count as
one. The limit counts from when its run began, whoever looked then, on the chip that it runs on.
Replicas that end before they served are tried again after 2, 4, 8 … seconds, at most
`RETRY_SECONDS_MAX`. What goes first is what occupies nothing yet, then the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yunhe.compute.admission import BEHIND
from yunhe.compute.reasons import Why
from yunhe.compute.scaling.deciding import SILENT_SECONDS
from yunhe.compute.scaling.domain import Need, Policy, Replica, Service
from yunhe.compute.wanted import wall_seconds_on
from yunhe.kernel.clock import SECOND_US

WAITING_MAX = 50
"""Replicas of one service that wait at once; more would wait behind them anyway."""
RETRY_SECONDS_MAX = 300
"""Longest pause before a replica is tried again."""
LEAD_SECONDS = 60
"""A successor is asked for so long, and one and a half start-ups, before the wall limit."""
_RANKS = {None: 0, "waiting": 0, "placed": 1, "running": 2}


@dataclass(frozen=True, slots=True)
class Steps:
    """What follows from one look at a service."""

    wanted: int
    """Replicas it wants now."""
    needed: int
    """Replicas its load needs."""
    why: Why | None
    """Why it has fewer than it needs."""
    begun: tuple[int, ...] = ()
    """Replicas seen to run for the first time."""
    gone: tuple[int, ...] = ()
    """Replicas that are over."""
    stop: tuple[int, ...] = ()
    """Replicas to be cancelled."""
    start: tuple[int | None, ...] = ()
    """New replicas, each with the number of the one it replaces, if any."""
    failures: int = 0
    """Replicas in a row that ended before they served."""
    retry_at_us: int = 0
    """Not before then is the next one tried."""

    def changes(self, service: Service) -> bool:
        """Whether there is anything to write down or to do."""
        same = (service.wanted, service.needed, service.why, service.failures)
        told = self.wanted, self.needed, self.why, self.failures
        return told != same or bool(self.begun or self.gone or self.stop or self.start)


def steps(service: Service, need: Need, now_us: int) -> Steps:
    """What is to be done now. *Cost*: linear in the replicas, but for sorting them."""
    policy = service.policy
    is_open = service.state == "open"
    wanted = need.wanted if is_open else 0
    over = [each for each in service.replicas if _is_gone(each)]
    alive = [each for each in service.replicas if not _is_gone(each)]
    leaving = [each for each in alive if each.state != "wanted"]
    failures, retry_at_us = _retries(service, over, now_us)
    groups = _groups([each for each in alive if each.state == "wanted"])
    stop = [each.number for each in leaving if each.workload_state is not None]
    for group in _surplus(groups, wanted):
        groups.remove(group)
        stop += [each.number for each in group]
    start: list[int | None] = []
    for group in groups:
        if len(group) > 1:
            if serves(group[-1], policy, now_us):
                stop += [each.number for each in group[:-1]]
        elif is_open and _is_old(group[0], service, now_us):
            start.append(group[0].number)
    start += [None] * max(wanted - len(groups), 0)
    waiting = sum(each.is_waiting for group in groups for each in group)
    room = max(WAITING_MAX - waiting, 0) if now_us >= retry_at_us else 0
    return Steps(
        wanted=wanted,
        needed=need.needed if is_open else 0,
        why=_why(service, need, groups, failures=failures, now_us=now_us) if is_open else None,
        begun=tuple(
            each.number
            for each in alive
            if each.workload_state == "running" and each.running_since_us is None
        ),
        gone=tuple(each.number for each in over),
        stop=tuple(stop),
        start=tuple(start[:room]),
        failures=failures,
        retry_at_us=retry_at_us,
    )


def serving(service: Service, now_us: int) -> int:
    """How many replicas have run for long enough to serve."""
    return sum(serves(each, service.policy, now_us) for each in service.replicas)


def serves(each: Replica, policy: Policy, now_us: int) -> bool:
    """Whether a replica runs and has done so for as long as it takes to start."""
    return each.workload_state == "running" and _started(each, policy, now_us)


def _is_gone(each: Replica) -> bool:
    if each.state == "leaving":
        return each.is_over or each.workload_state is None
    return each.is_over


def _retries(service: Service, over: Sequence[Replica], now_us: int) -> tuple[int, int]:
    """Failures in a row after those that are over now, and when the next try is due."""
    failures, retry_at_us = service.failures, service.retry_at_us
    ended = [each for each in over if each.state == "wanted" and each.workload_state != "cancelled"]
    for each in ended:
        if each.running_since_us is not None and _started(each, service.policy, now_us):
            failures, retry_at_us = 0, 0
        else:
            failures += 1
            pause = min(2 ** min(failures, 20), RETRY_SECONDS_MAX)
            retry_at_us = now_us + pause * SECOND_US
    if failures and any(
        serves(each, service.policy, now_us)
        for each in service.replicas
        if each.number >= service.next_number - failures
    ):
        failures, retry_at_us = 0, 0  # one that came after them serves
    return failures, retry_at_us


def _started(each: Replica, policy: Policy, now_us: int) -> bool:
    since_us = each.running_since_us
    return since_us is not None and now_us - since_us >= policy.startup_seconds * SECOND_US


def _is_old(each: Replica, service: Service, now_us: int) -> bool:
    """Whether its wall limit is so near that its successor must start."""
    if each.running_since_us is None:
        return False
    wall = wall_seconds_on(service.spec, each.chip or service.spec.chip)
    lead = min(LEAD_SECONDS + service.policy.startup_seconds * 3 // 2, wall // 2)
    return now_us - each.running_since_us >= (wall - lead) * SECOND_US


def _groups(alive: Sequence[Replica]) -> list[list[Replica]]:
    """Replicas, each together with its successors, oldest first."""
    by_number = {each.number: [each] for each in alive}
    for each in sorted(alive, key=lambda one: one.number):
        if each.replaces in by_number:
            group = by_number[each.replaces]
            group.append(each)
            by_number[each.number] = group
    found: list[list[Replica]] = []
    for each in alive:
        group = by_number[each.number]
        if group[0] is each:
            found.append(group)
    return found


def _surplus(groups: Sequence[list[Replica]], wanted: int) -> list[list[Replica]]:
    """Those beyond what is wanted: what occupies nothing yet first, then the newest."""

    def rank(group: list[Replica]) -> tuple[int, int]:
        return max(_RANKS.get(each.workload_state, 2) for each in group), -group[0].number

    return sorted(groups, key=rank)[: max(len(groups) - wanted, 0)]


def _why(
    service: Service,
    need: Need,
    groups: Sequence[Sequence[Replica]],
    *,
    failures: int,
    now_us: int,
) -> Why | None:
    """What people are to know: what fails, what a replica waits for, the ceiling, the silence."""
    if failures:
        tried = any(
            each.workload_state is not None and each.number >= service.next_number - failures
            for group in groups
            for each in group
        )
        if failures == service.failures and service.why is not None and not tried:
            return service.why  # what exactly was refused, until one is taken
        return Why("compute.service_failing", (("failures", failures),))
    for group in groups:
        for each in group:
            if each.is_waiting and each.why is not None and each.why.code != BEHIND.code:
                return each.why
    policy = service.policy
    if need.needed > policy.ceiling:
        params = (("needed", need.needed), ("ceiling", policy.ceiling))
        return Why("compute.service_ceiling", params)
    young = now_us - service.created_at_us <= SILENT_SECONDS * SECOND_US
    if need.silent and not young and policy.floor < policy.ceiling:
        return Why("compute.service_silent")
    return None
