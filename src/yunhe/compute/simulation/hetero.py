"""Peers for chips of different speed, written from their papers: only for comparison.

A cluster is so many devices of each chip, without nodes, so that no policy loses to fragments. Jobs
keep their work when they are pushed out; taking up again, or on another chip, costs `restart_us`.

*Source*: Narayanan et al.: Heterogeneity-Aware Cluster Scheduling Policies for Deep Learning
Workloads (Gavel), OSDI 2020, sections 4.1 and 5; Gu et al.: Tiresias, NSDI 2019 (`Las`).
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
"""float64[kinds or jobs, chips]."""
NOT_ON = -1
"""Column of what does not run."""
TIE = 1e-4
"""Weight of all throughput together beside the worst share, so that nothing useful stays idle."""


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs in order of arrival."""

    arrive_us: NDArray[np.int64]
    """int64[n]."""
    service_us: NDArray[np.int64]
    """int64[n]: run time at speed 1."""
    devices: NDArray[np.int64]
    """int64[n]."""
    speed: Matrix
    """float64[n, chips]: against the reference chip; 0: cannot run there."""
    kind: NDArray[np.int64]
    """int64[n]: jobs of one kind have the same speeds and devices."""


@dataclass(slots=True)
class State:
    """What the policies may look at."""

    work: Work
    """All jobs."""
    room: list[int]
    """Devices by chip."""
    left_us: list[float]
    """Run time at speed 1 that is left, by job; policies without foresight do not look."""
    attained_us: list[float]
    """Device time so far, by job."""
    on: list[int]
    """Chip it ran on in the last round, or `NOT_ON`, by job."""


@dataclass(slots=True)
class Outcome:
    """What became of the jobs."""

    end_us: NDArray[np.int64]
    """int64[n]."""
    moves: int
    """Times that a job was taken up again, or on another chip."""
    solver_cpu_seconds: float
    """Processor time in the policy."""
    rounds: int
    """Times that it decided."""


class Chooser(Protocol):
    """A policy over rounds."""

    def choose(self, state: State, active: list[int], *, round_us: int) -> dict[int, int]:
        """Chip of each job that runs in the next round."""


def in_rounds(
    work: Work, room: Sequence[int], chooser: Chooser, *, round_us: int, restart_us: int
) -> Outcome:
    """Replays jobs in rounds of equal length, as Gavel does.

    A device stays with its job until the round is over, and nothing starts in between. Every job
    must fit some chip.
    """
    arrive = work.arrive_us.tolist()
    n, following, moves, rounds = len(arrive), 0, 0, 0
    speed, devices = work.speed.tolist(), work.devices.tolist()
    state = State(work, list(room), work.service_us.tolist(), [0.0] * n, [NOT_ON] * n)
    begun = [False] * n
    end = np.full(n, -1, np.int64)
    active: list[int] = []
    now, cpu = 0, 0.0
    while following < n or active:
        if not active:
            now = max(now, -(-arrive[following] // round_us) * round_us)
        while following < n and arrive[following] <= now:
            active.append(following)
            following += 1
        began = time.process_time()
        chosen = chooser.choose(state, active, round_us=round_us)
        cpu += time.process_time() - began
        rounds += 1
        ended = False
        for job in active:
            column = chosen.get(job, NOT_ON)
            again = column not in (NOT_ON, state.on[job]) and begun[job]
            state.on[job] = column
            if column == NOT_ON:
                continue
            overhead = restart_us if again else 0
            moves += again
            begun[job] = True
            could_us = (round_us - overhead) * speed[job][column]
            state.attained_us[job] += round_us * devices[job]
            if could_us >= state.left_us[job]:
                end[job] = now + overhead + round(state.left_us[job] / speed[job][column])
                ended = True
            state.left_us[job] -= could_us
        if ended:
            active = [job for job in active if end[job] < 0]
        now += round_us
    return Outcome(end, moves, cpu, rounds)


def first_come(work: Work, room: Sequence[int], *, strict: bool, seed: int) -> Outcome:
    """FIFO without preemption, event by event.

    The head, or unless `strict` whoever fits, takes a free chip at random: faster and slower ones
    are the same to it.
    """
    draw = Random(seed)  # noqa: S311 - a simulation
    arrive, devices = work.arrive_us.tolist(), work.devices.tolist()
    speed, service = work.speed.tolist(), work.service_us.tolist()
    free = list(room)
    end = np.full(len(arrive), -1, np.int64)
    queue: list[int] = []
    running: list[tuple[int, int, int]] = []
    following, rounds = 0, 0
    began = time.process_time()
    while following < len(arrive) or running:
        then = min(
            running[0][0] if running else 1 << 62,
            arrive[following] if following < len(arrive) else 1 << 62,
        )
        while running and running[0][0] == then:
            _, job, column = heapq.heappop(running)
            free[column] += devices[job]
        while following < len(arrive) and arrive[following] == then:
            queue.append(following)
            following += 1
        rounds += 1
        waiting = []
        for place, job in enumerate(queue):
            column = blind(draw, free, devices[job], speed[job])
            if column != NOT_ON:
                free[column] -= devices[job]
                end[job] = then + round(service[job] / speed[job][column])
                heapq.heappush(running, (int(end[job]), job, column))
                continue
            waiting.append(job)
            if strict or not any(free):
                waiting.extend(queue[place + 1 :])
                break
        queue = waiting
    return Outcome(end, 0, time.process_time() - began, rounds)


def blind(draw: Random, free: list[int], devices: int, speed: list[float]) -> int:
    """A chip with room, drawn by how much is free of it, whatever its speed."""
    able = [c for c, some in enumerate(free) if some >= devices and speed[c] > 0]
    return draw.choices(able, [free[c] for c in able])[0] if able else NOT_ON


@dataclass(slots=True)
class Las:
    """Least attained device time in levels, first come first served within; blind to chips."""

    levels_us: tuple[int, ...]
    """Bounds of the levels."""
    draw: Random
    """For the choice of a chip."""

    def choose(self, state: State, active: list[int], *, round_us: int) -> dict[int, int]:
        """The first in order; who ran keeps its chip."""
        del round_us
        attained, devices = state.attained_us, state.work.devices

        def level(job: int) -> int:
            return sum(attained[job] >= bound for bound in self.levels_us)

        free, chosen = sum(state.room), []
        for job in sorted(active, key=lambda job: (level(job), job)):
            if devices[job] <= free:
                chosen.append(job)
                free -= int(devices[job])
        left, placed = list(state.room), {}
        for job in sorted(chosen, key=lambda job: state.on[job] == NOT_ON):
            column = state.on[job]
            if column == NOT_ON or left[column] < devices[job]:
                speeds = state.work.speed[job].tolist()
                column = blind(self.draw, left, int(devices[job]), speeds)
            if column != NOT_ON:
                left[column] -= int(devices[job])
                placed[job] = column
        return placed


class Shortest:
    """Least work left on its best chip first, and it takes the best that is free: knows steps."""

    def choose(self, state: State, active: list[int], *, round_us: int) -> dict[int, int]:
        """In order of time left."""
        del round_us
        work, left, placed = state.work, list(state.room), {}
        best = work.speed.max(axis=1)
        for job in sorted(active, key=lambda job: (state.left_us[job] / best[job], job)):
            for column in np.argsort(-work.speed[job], kind="stable").tolist():
                if work.speed[job, column] > 0 and left[column] >= work.devices[job]:
                    left[column] -= int(work.devices[job])
                    placed[job] = column
                    break
        return placed


def max_min(
    speed: Matrix, devices: NDArray[np.int64], count: NDArray[np.int64], room: Sequence[int]
) -> Matrix:
    """Gavel's LAS: share of time of each kind of job on each chip, the worst off as well as can be.

    Maximises the least of ``devices · Σ speed · X / Σ speed · equal share`` with ``Σ X ≤ 1`` for a
    job and ``Σ count · devices · X ≤ room`` for a chip. Jobs alike get alike, so one row stands for
    ``count`` jobs: the same optimum as a row a job, sooner.
    """
    from scipy.optimize import linprog  # noqa: PLC0415 - a second to load
    from scipy.sparse import csr_array  # noqa: PLC0415

    kinds, chips = speed.shape
    capacity = np.asarray(room, np.float64)
    equal = speed @ (capacity / capacity.sum())
    gain = speed / equal[:, None] * devices[:, None]
    cells = np.arange(kinds * chips)
    row, column = cells // chips, cells % chips
    least = np.arange(kinds)
    rows = np.concatenate([row, kinds + column, kinds + chips + row, kinds + chips + least])
    columns = np.concatenate([cells, cells, cells, np.full(kinds, kinds * chips)])
    values = np.concatenate(
        [np.ones(len(cells)), (count * devices)[row], -gain.ravel(), np.ones(kinds)]
    )
    matrix = csr_array((values, (rows, columns)), (2 * kinds + chips, kinds * chips + 1))
    bounds = [(0.0, 1.0 if able else 0.0) for able in (speed > 0).ravel()] + [(0.0, None)]
    weight = TIE * (gain * count[:, None]).ravel() / max(float(count.sum()), 1.0)
    limits = np.concatenate([np.ones(kinds), capacity, np.zeros(kinds)])
    solved = linprog(
        -np.append(weight, 1.0), A_ub=matrix, b_ub=limits, bounds=bounds, method="highs"
    )
    if solved.x is None:
        raise RuntimeError(solved.message)
    found: Matrix = solved.x[:-1].reshape(kinds, chips)
    return found


@dataclass(slots=True)
class MaxMin:
    """Gavel: the programme again whenever jobs came or went, and rounds that follow its shares.

    Who is furthest behind what it was to have received goes first; devices left over go to whoever
    had least.
    """

    target: dict[int, list[float]] = field(default_factory=dict)
    """By job: what it was to have received of each chip so far, microseconds."""
    received: dict[int, list[float]] = field(default_factory=dict)
    """By job: what it did."""
    solved: int = 0
    """Programmes solved."""
    _last: tuple[int, ...] = ()
    _share: dict[int, list[float]] = field(default_factory=dict)

    def choose(self, state: State, active: list[int], *, round_us: int) -> dict[int, int]:
        """Follow the shares for one round."""
        now = tuple(active)
        if now != self._last:
            self._last = now
            self._solve(state, active)
        work, chips = state.work, range(len(state.room))
        wanted = []
        for job in active:
            share = self._share[int(work.kind[job])]
            target = self.target.setdefault(job, [0.0] * len(state.room))
            received = self.received.setdefault(job, [0.0] * len(state.room))
            for chip in chips:
                target[chip] += share[chip] * round_us
                if share[chip] > 0:
                    behind = target[chip] / (received[chip] + round_us / 2)
                    wanted.append((-behind, job, chip))
        left, placed = list(state.room), {}
        for _, job, chip in sorted(wanted):
            if job not in placed and work.devices[job] <= left[chip]:
                placed[job] = chip
                left[chip] -= int(work.devices[job])
        if any(left):
            self._fill(state, active, left, placed)
        for job, chip in placed.items():
            self.received[job][chip] += round_us
        return placed

    def _fill(
        self, state: State, active: list[int], left: list[int], placed: dict[int, int]
    ) -> None:
        work = state.work
        idle = [job for job in active if job not in placed]
        for job in sorted(idle, key=lambda job: (state.attained_us[job], job)):
            for chip in np.argsort(-work.speed[job], kind="stable").tolist():
                if work.speed[job, chip] > 0 and work.devices[job] <= left[chip]:
                    placed[job] = chip
                    left[chip] -= int(work.devices[job])
                    break

    def _solve(self, state: State, active: list[int]) -> None:
        work = state.work
        kinds = Counter(int(work.kind[job]) for job in active)
        one = {int(work.kind[job]): job for job in active}
        rows = [one[kind] for kind in kinds]
        count = np.array(list(kinds.values()), np.int64)
        shares = max_min(work.speed[rows], work.devices[rows], count, state.room)
        self._share = dict(zip(kinds, shares.tolist(), strict=True))
        self.solved += 1
