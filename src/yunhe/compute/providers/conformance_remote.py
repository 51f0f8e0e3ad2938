"""Tries out a distant scheduler: anybody who writes an adapter can run this against it.

The adapter must offer the entry point `TRIAL` and take jobs of one device of `chip`. What it
declares as a gap is not asked of it. Cost: some ten small jobs, one after the other.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from yunhe.compute.providers import trial
from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.remote import (
    ENDED,
    LOG_PART_BYTES_MAX,
    Pushes,
    Remote,
    Report,
    Stream,
    UsageEvent,
)
from yunhe.compute.providers.seam import Job
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Finding, NotAllowed, NotFound, YunheError
from yunhe.storage.blobs import Blobs

TRIAL = "yunhe-trial"
"""Name under which the adapter must offer the trial program."""
WAIT_SECONDS = 120.0
"""How long one job is waited for."""
POLL_SECONDS = 0.1
"""Between two questions."""
_MEMORY_BYTES = 512 << 20


def check_remote(
    remote: Remote, *, blobs: Blobs, chip: str, pause: Callable[[float], None] = time.sleep
) -> list[Finding]:
    """Run every trial; each finding is a promise of the seam that the adapter does not keep."""
    program = find_program(TRIAL, EntryPoint("yunhe.compute.providers.trial"))
    bench = _Bench(remote, blobs, chip, program.digest, pause)
    gaps = {gap.code for gap in remote.gaps()}
    found: list[Finding] = []
    for case, waiver in _CASES.items():
        if waiver in gaps:
            continue
        try:
            broken = list(case(bench))
        except YunheError as error:
            broken = [f"unexpected error: {error.code}"]
        for job in bench.made:
            remote.forget(job)
        bench.made.clear()
        name = case.__name__.strip("_")
        found += [Finding(name, "compute.trial_failed", (("detail", said),)) for said in broken]
    return found


@dataclass(frozen=True, slots=True)
class _Bench:
    """An adapter and what is needed to try it."""

    remote: Remote
    blobs: Blobs
    chip: str
    digest: str
    pause: Callable[[float], None]
    series: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    made: list[str] = field(default_factory=list)

    def job(self, name: str, action: str, **arguments: Json) -> Job:
        """A small job that does ``action``."""
        self.made.append(f"trial-{self.series}-{name}")
        return Job(
            id=self.made[-1],
            entry_point=TRIAL,
            arguments={"action": action, **arguments},
            inputs={},
            devices=1,
            wall_seconds_max=60,
            cpu_seconds_max=60,
            memory_bytes_max=_MEMORY_BYTES,
            chip=self.chip,
            approved=frozenset({self.digest}),
        )

    def submit(self, job: Job) -> str:
        """Hand it over."""
        return self.remote.submit(job, blobs=self.blobs)

    def report(self, job: Job) -> Report | None:
        """What is said of it now; None when it is unknown."""
        found = [one for one in self.remote.status([job.id]).reports if one.job == job.id]
        return max(found, key=lambda report: report.order, default=None)

    def until(self, job: Job, holds: Callable[[Report], bool]) -> Report | None:
        """The first report of it for which something holds; None after too long."""
        for _ in range(int(WAIT_SECONDS / POLL_SECONDS)):
            report = self.report(job)
            if report is not None and holds(report):
                return report
            self.pause(POLL_SECONDS)
        return None

    def ended(self, job: Job) -> str:
        """How it ended."""
        report = self.until(job, lambda one: one.phase in ENDED)
        return "nothing within two minutes" if report is None else report.phase

    def usage(self, job: Job) -> tuple[UsageEvent, ...]:
        """Its usage events, waited for."""
        for _ in range(int(WAIT_SECONDS / POLL_SECONDS)):
            events = self.remote.meter([job.id])
            if events:
                return events
            self.pause(POLL_SECONDS)
        return ()

    def begun(self, job: Job) -> bool:
        """Wait until its program has said that it runs; or its provider, where logs come late."""
        if "compute.gap_log_tail" in {gap.code for gap in self.remote.gaps()}:
            return self.until(job, lambda one: one.phase == "running") is not None
        for _ in range(int(WAIT_SECONDS / POLL_SECONDS)):
            if self.remote.logs(job.id, "stdout", offset=0):
                return True
            self.pause(POLL_SECONDS)
        return False


def _expect(holds: bool, said: str) -> Iterator[str]:  # noqa: FBT001 - the condition itself
    if not holds:
        yield said


def _good_job(bench: _Bench) -> Iterator[str]:
    data = bytes(range(256)) * 400
    job = replace(
        bench.job("good", "copy", word="运河"), inputs={"data": bench.blobs.put(data).digest}
    )
    handle = bench.submit(job)
    yield from _expect(bench.submit(job) == handle, "the same job twice has two handles")
    phase = bench.ended(job)
    yield from _expect(phase == "succeeded", f"ended as {phase}")
    result = bench.remote.collect(job, blobs=bench.blobs, succeeded=True)
    taken = set(result.outputs) == {"data.copy", "word"}
    yield from _expect(taken, "outputs are not as written")
    if taken:
        same = bench.blobs.read(result.outputs["data.copy"]) == data
        yield from _expect(same, "the input did not arrive, or the output did not come back")
    yield from _expect(result.code_digest == bench.digest, "another program was reported")
    yield from _expect(bench.submit(job) == handle, "once over, it was taken for a new job")
    report = bench.report(job)
    yield from _expect(report is not None and report.phase == phase, "an end was taken back")
    yield from _metering(bench, job)
    bench.remote.cancel(job.id)
    report = bench.report(job)
    yield from _expect(report is not None and report.phase == phase, "cancelling undid the end")
    bench.remote.forget(job.id)
    bench.remote.forget(job.id)
    log = bench.remote.logs(job.id, "stdout", offset=0)
    yield from _expect(log == b"", "what it printed was kept after it was forgotten")


def _metering(bench: _Bench, job: Job) -> Iterator[str]:
    first = bench.usage(job)
    again = bench.remote.meter([job.id])
    yield from _expect(len(first) >= 1, "no usage was reported")
    yield from _expect(set(first) <= set(again), "usage events changed or vanished")
    yield from _expect(len({event.id for event in again}) == len(again), "an event id came twice")
    for event in again:
        yield from _expect(event.job == job.id, "another job's usage was reported")
        yield from _expect(event.end_us >= event.start_us, "usage ends before it begins")
        yield from _expect(event.devices in (0, job.devices), "other devices than asked for")
    spans = sorted((event.start_us, event.end_us) for event in again)
    apart = all(a[1] <= b[0] for a, b in pairwise(spans))
    yield from _expect(apart, "usage events overlap")


def _failing_job(bench: _Bench) -> Iterator[str]:
    job = bench.job("fail", "fail")
    bench.submit(job)
    phase = bench.ended(job)
    yield from _expect(phase == "failed", f"ended as {phase}")
    result = bench.remote.collect(job, blobs=bench.blobs, succeeded=False)
    yield from _expect(result.why is not None, "failed without a reason")
    yield from _expect(not result.outputs, "outputs of a failed job were taken")


def _wall_time(bench: _Bench) -> Iterator[str]:
    job = replace(bench.job("wall", "endure"), wall_seconds_max=1)
    bench.submit(job)
    phase = bench.ended(job)
    yield from _expect(phase == "failed", f"ended as {phase}")


def _cancel_while_running(bench: _Bench) -> Iterator[str]:
    job = bench.job("stop", "endure")
    bench.submit(job)
    yield from _expect(bench.begun(job), "its output did not show while it ran")
    report = bench.report(job)
    yield from _expect(report is not None and report.phase == "running", "not said to be running")
    bench.remote.cancel(job.id)
    bench.remote.cancel(job.id)
    phase = bench.ended(job)
    yield from _expect(phase == "stopped", f"ended as {phase}")
    yield from _expect(len(bench.usage(job)) >= 1, "what it used was not reported")
    bench.submit(job)
    phase = bench.ended(job)
    yield from _expect(phase == "stopped", "a cancelled job was started again")


def _making_room(bench: _Bench) -> Iterator[str]:
    remote = bench.remote
    if not isinstance(remote, Pushes):
        return
    job = replace(bench.job("room", "endure"), saves=True)
    bench.submit(job)
    yield from _expect(bench.begun(job), "its output did not show while it ran")
    remote.push_out(job.id, grace_seconds=5)
    remote.push_out(job.id, grace_seconds=5)
    phase = bench.ended(job)
    yield from _expect(phase == "stopped", f"ended as {phase}")
    result = remote.collect(job, blobs=bench.blobs, succeeded=False)
    yield from _expect(result.why is None, "making room was taken for a failure")
    yield from _expect(len(bench.usage(job)) >= 1, "what it used was not reported")
    remote.push_out(job.id, grace_seconds=5)
    phase = bench.ended(job)
    yield from _expect(phase == "stopped", "asking again undid the end")
    early = replace(bench.job("roomless", "copy", word="never"), saves=True)
    remote.push_out(early.id, grace_seconds=5)
    bench.submit(early)
    report = bench.report(early)
    never = report is None or (report.phase == "stopped" and not report.ran)
    yield from _expect(never, "a job that was to make room before it came was taken")


def _cancel_before(bench: _Bench) -> Iterator[str]:
    job = bench.job("early", "copy", word="never")
    bench.remote.cancel(job.id)
    bench.submit(job)
    report = bench.report(job)
    never = report is None or (report.phase == "stopped" and not report.ran)
    yield from _expect(never, "a job that was cancelled before it came was taken")


def _unknown_job(bench: _Bench) -> Iterator[str]:
    job = bench.job("unknown", "copy", word="")
    yield from _expect(bench.report(job) is None, "a job nobody submitted is known")
    yield from _expect(bench.remote.meter([job.id]) == (), "a job nobody submitted used something")
    log = bench.remote.logs(job.id, "stderr", offset=0)
    yield from _expect(log == b"", "a job nobody submitted printed something")
    bench.remote.forget(job.id)


def _logs_by_offset(bench: _Bench) -> Iterator[str]:
    job = bench.job("chatter", "chatter")
    bench.submit(job)
    phase = bench.ended(job)
    yield from _expect(phase == "succeeded", f"ended as {phase}")
    streams: tuple[Stream, Stream] = ("stdout", "stderr")
    for stream in streams:
        whole = b""
        while part := bench.remote.logs(job.id, stream, offset=len(whole)):
            yield from _expect(len(part) <= LOG_PART_BYTES_MAX, f"{stream}: a part is too long")
            whole += part
        yield from _expect(len(whole) > trial.CHATTER_BYTES, f"{stream}: parts are missing")
        yield from _expect(whole.endswith(trial.LAST_WORDS), f"{stream}: the end is missing")
        last = bench.remote.logs(job.id, stream, offset=-len(trial.LAST_WORDS))
        yield from _expect(last == trial.LAST_WORDS, f"{stream}: its last bytes are not the last")


def _link_refused(bench: _Bench) -> Iterator[str]:
    job = bench.job("link", "link")
    bench.submit(job)
    phase = bench.ended(job)
    result = bench.remote.collect(job, blobs=bench.blobs, succeeded=phase == "succeeded")
    yield from _expect(result.why is not None, "a link was taken for an output")
    yield from _expect(not result.outputs, "a link was taken for an output")


def _capacity(bench: _Bench) -> Iterator[str]:
    capacity = bench.remote.capacity()
    yield from _expect(capacity.devices(bench.chip) >= 1, f"no device of {bench.chip}")
    names = [(node.name, node.chip) for node in capacity.nodes]
    yield from _expect(len(set(names)) == len(names), "a node is named twice")
    for node in capacity.nodes:
        sane = 0 <= node.free <= node.devices and (node.state == "up" or node.free == 0)
        yield from _expect(sane, f"{node.name}: {node.free} of {node.devices} free, {node.state}")


def _secrets(bench: _Bench) -> Iterator[str]:
    job = replace(bench.job("secret", "copy", word=""), secrets={"TOKEN": b"value"})
    try:
        bench.submit(job)
    except NotAllowed:
        return
    yield "a job with secrets was taken though they cannot be handed over"


def _missing_input(bench: _Bench) -> Iterator[str]:
    job = replace(bench.job("missing", "copy", word=""), inputs={"data": "sha256:" + "0" * 64})
    try:
        bench.submit(job)
    except NotFound:
        return
    yield "a job without its input was taken"


def _unapproved(bench: _Bench) -> Iterator[str]:
    if bench.remote.isolation != "digest-approved":
        return
    try:
        bench.submit(replace(bench.job("unapproved", "copy", word=""), approved=frozenset()))
    except NotAllowed:
        return
    yield "a program that nobody approved was taken"


# Each trial and the gap that excuses an adapter from it.
_CASES: dict[Callable[[_Bench], Iterator[str]], str] = {
    _capacity: "compute.gap_capacity",
    _unknown_job: "",
    _good_job: "",
    _failing_job: "",
    _wall_time: "compute.gap_wall",
    _cancel_before: "",
    _cancel_while_running: "compute.gap_stop",
    _making_room: "compute.gap_stop",
    _logs_by_offset: "compute.gap_log_tail",
    _link_refused: "",
    _secrets: "",
    _missing_input: "",
    _unapproved: "",
}
