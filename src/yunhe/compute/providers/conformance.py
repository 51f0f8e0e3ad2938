"""Tries out a provider of compute: anybody who writes one can run this against it.

The provider must offer the entry point `TRIAL` (`TRIAL_ENTRY_POINT`). What it declares as a gap is
not asked of it. Cost: about 5 s on a provider that starts jobs at once; it runs some ten jobs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from yunhe.compute.providers import trial
from yunhe.compute.providers.conformance_remote import TRIAL, check_remote
from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.remote import Remote
from yunhe.compute.providers.seam import LOG_BYTES_MAX, STOP_SECONDS_MAX, Job, Outcome, Provider
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Conflict, Finding, NotAllowed, NotFound, YunheError
from yunhe.kernel.progress import Progress, Silent
from yunhe.storage.blobs import Blobs

TRIAL_ENTRY_POINT = EntryPoint("yunhe.compute.providers.trial")
"""The trial program itself."""

__all__ = ["TRIAL", "TRIAL_ENTRY_POINT", "check_provider", "check_remote"]

_MEMORY_BYTES = 512 << 20
_SECRET = "YUNHE_TRIAL_SECRET"  # noqa: S105 - a name, and the value is no secret


def check_provider(
    provider: Provider | Remote, *, blobs: Blobs, chip: str = "cpu"
) -> list[Finding]:
    """Run every trial; each finding is a promise of the seam that the provider does not keep.

    A distant scheduler is tried as `conformance_remote` says, on devices of ``chip``.
    """
    if not isinstance(provider, Provider):
        return check_remote(provider, blobs=blobs, chip=chip)
    bench = _Bench(provider, blobs, find_program(TRIAL, TRIAL_ENTRY_POINT).digest)
    gaps = {gap.code for gap in provider.gaps()}
    found: list[Finding] = []
    for case, waiver in _CASES.items():
        if waiver in gaps:
            continue
        try:
            broken = list(case(bench))
        except YunheError as error:
            broken = [f"unexpected error: {error.code}"]
        name = case.__name__.strip("_")
        found += [Finding(name, "compute.trial_failed", (("detail", said),)) for said in broken]
    return found


class _Steps:
    """Remembers progress, and may act on it."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.seen: list[tuple[str, int, int | None]] = []
        self._then = then

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        self.seen.append((what, done, total))
        if self._then is not None:
            self._then()


@dataclass(frozen=True, slots=True)
class _Bench:
    """A provider and what is needed to try it."""

    provider: Provider
    blobs: Blobs
    digest: str
    series: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def job(self, action: str, **arguments: Json) -> Job:
        """A small job that does ``action``."""
        return Job(
            id=f"trial-{self.series}-{action}",
            entry_point=TRIAL,
            arguments={"action": action, **arguments},
            inputs={},
            devices=1,
            wall_seconds_max=60,
            cpu_seconds_max=60,
            memory_bytes_max=_MEMORY_BYTES,
            approved=frozenset({self.digest}),
        )

    def run(
        self,
        job: Job,
        *,
        progress: Progress | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Run it to its end."""
        return self.provider.run(
            job, blobs=self.blobs, progress=progress or Silent(), stopped=stopped
        )


def _expect(holds: bool, said: str) -> Iterator[str]:  # noqa: FBT001 - the condition itself
    if not holds:
        yield said


def _good_job(bench: _Bench) -> Iterator[str]:
    data = os.urandom(100_000)
    job = replace(
        bench.job("copy", word="运河"), inputs={"data": bench.blobs.put(data).digest}, devices=2
    )
    steps = _Steps()
    outcome = bench.run(job, progress=steps)
    yield from _expect(outcome.verdict == "succeeded", f"ended as {outcome.verdict}")
    yield from _expect(set(outcome.outputs) == {"data.copy", "word"}, "outputs are not as written")
    if set(outcome.outputs) == {"data.copy", "word"}:
        same = bench.blobs.read(outcome.outputs["data.copy"]) == data
        yield from _expect(same, "the input did not arrive, or the output did not come back")
        word = bench.blobs.read(outcome.outputs["word"]).decode()
        yield from _expect(word == "运河", "the argument did not arrive")
    yield from _expect(steps.seen == [("copied", 1, 1)], "progress was not forwarded")
    yield from _expect(outcome.metered.wall_ms >= 1, "nothing was metered")
    yield from _expect(outcome.code_digest == bench.digest, "another program was reported")
    yield from _expect(outcome.isolation == bench.provider.isolation, "isolation is not as said")
    again = bench.run(job)
    yield from _expect(again.outputs == outcome.outputs, "the same job again gave other outputs")


def _failing_job(bench: _Bench) -> Iterator[str]:
    outcome = bench.run(bench.job("fail"))
    yield from _expect(outcome.verdict == "failed", f"ended as {outcome.verdict}")
    yield from _expect(outcome.why is not None, "failed without a reason")
    yield from _expect(outcome.metered.wall_ms >= 1, "what it used was not metered")
    yield from _expect(not outcome.outputs, "outputs of a failed job were taken")


def _wall_time(bench: _Bench) -> Iterator[str]:
    outcome = bench.run(replace(bench.job("endure"), wall_seconds_max=1))
    yield from _expect(outcome.verdict == "failed", f"ended as {outcome.verdict}")
    within = 1_000 <= outcome.metered.wall_ms <= 1_000 * (1 + STOP_SECONDS_MAX)
    yield from _expect(within, f"ran {outcome.metered.wall_ms} ms of 1000 allowed")


def _processor_time(bench: _Bench) -> Iterator[str]:
    outcome = bench.run(replace(bench.job("burn"), cpu_seconds_max=1))
    yield from _expect(outcome.verdict == "failed", f"ended as {outcome.verdict}")
    used = outcome.metered.cpu_user_ms + outcome.metered.cpu_system_ms
    yield from _expect(900 <= used <= 5_000, f"used {used} ms of processor of 1000 allowed")


def _memory(bench: _Bench) -> Iterator[str]:
    outcome = bench.run(bench.job("hoard", bytes=str(2 * _MEMORY_BYTES)))
    yield from _expect(outcome.verdict == "failed", "more memory than allowed was given")


def _bounded_log(bench: _Bench) -> Iterator[str]:
    outcome = bench.run(bench.job("chatter"))
    yield from _expect(outcome.verdict == "succeeded", f"ended as {outcome.verdict}")
    for name, tail in (("stdout", outcome.stdout_tail), ("stderr", outcome.stderr_tail)):
        yield from _expect(len(tail) <= LOG_BYTES_MAX, f"{name}: {len(tail)} bytes kept")
        yield from _expect(tail.endswith(trial.LAST_WORDS), f"{name}: the end was not kept")


def _stop(bench: _Bench) -> Iterator[str]:
    steps = _Steps()
    outcome = bench.run(bench.job("endure"), progress=steps, stopped=lambda: bool(steps.seen))
    yield from _expect(outcome.verdict == "stopped", f"ended as {outcome.verdict}")
    yield from _expect(
        1 <= outcome.metered.wall_ms <= 1_000 * STOP_SECONDS_MAX, "was not stopped soon"
    )


def _twice_at_once(bench: _Bench) -> Iterator[str]:
    answers: list[str] = []
    job = bench.job("endure")

    def submit_again() -> None:
        try:
            answers.append(bench.run(job, stopped=lambda: True).verdict)
        except Conflict:
            answers.append("refused")

    bench.run(job, progress=_Steps(submit_again), stopped=lambda: bool(answers))
    yield from _expect(answers == ["refused"], "the same job ran twice at the same time")


def _environment(bench: _Bench) -> Iterator[str]:
    os.environ[_SECRET] = "seen"
    try:
        outcome = bench.run(bench.job("environment"))
    finally:
        del os.environ[_SECRET]
    yield from _expect("environment" in outcome.outputs, "no output")
    if "environment" in outcome.outputs:
        seen = json.loads(bench.blobs.read(outcome.outputs["environment"]))
        yield from _expect(_SECRET not in seen, "the job saw the platform's environment")
        yield from _expect(seen.get("PYTHONHASHSEED") == "0", "PYTHONHASHSEED is not 0")


def _secrets(bench: _Bench) -> Iterator[str]:
    value = os.urandom(16).hex().encode()
    coded = base64.b64encode(value)
    steps = _Steps()
    job = replace(bench.job("confide", variable=_SECRET), secrets={_SECRET: value})
    outcome = bench.run(job, progress=steps)
    yield from _expect(outcome.verdict == "succeeded", f"ended as {outcome.verdict}")
    if "digest" in outcome.outputs:
        digest = bench.blobs.read(outcome.outputs["digest"]).decode()
        same = digest == hashlib.sha256(value).hexdigest()
        yield from _expect(same, "the program got another value than the secret's")
    said = outcome.stdout_tail + outcome.stderr_tail + repr(steps.seen).encode()
    shown = value in said or coded in said
    yield from _expect(not shown, "a secret shows in the output that is kept, or in progress")
    yield from _expect(value.decode() not in repr(job), "a secret shows in the job")


def _link_refused(bench: _Bench) -> Iterator[str]:
    outcome = bench.run(bench.job("link"))
    yield from _expect(outcome.verdict == "failed", "a link was taken for an output")


def _missing_input(bench: _Bench) -> Iterator[str]:
    job = replace(bench.job("copy", word=""), inputs={"data": "sha256:" + "0" * 64})
    try:
        bench.run(job)
    except NotFound:
        return
    yield "a job without its input was run"


def _unapproved(bench: _Bench) -> Iterator[str]:
    if bench.provider.isolation != "digest-approved":
        return
    try:
        bench.run(replace(bench.job("copy", word=""), approved=frozenset()))
    except NotAllowed:
        return
    yield "a program that nobody approved ran without a sandbox"


# Each trial and the gap that excuses a provider from it.
_CASES: dict[Callable[[_Bench], Iterator[str]], str] = {
    _good_job: "",
    _failing_job: "",
    _wall_time: "compute.gap_wall",
    _processor_time: "compute.gap_processor",
    _memory: "compute.gap_memory",
    _bounded_log: "",
    _stop: "compute.gap_stop",
    _twice_at_once: "",
    _environment: "",
    _secrets: "compute.gap_secrets",
    _link_refused: "",
    _missing_input: "",
    _unapproved: "",
}
