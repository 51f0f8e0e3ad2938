"""The launcher: streams are bounded, ends are told apart, and nothing of a job is left running."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.providers import launcher
from yunhe.compute.providers.bootstrap import READY, STARTED
from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.launcher import LINE_BYTES_MAX
from yunhe.compute.providers.local import APPROVED, BUBBLEWRAP, LocalProvider
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.providers.seam import LOG_BYTES_MAX, Job
from yunhe.storage.blobs import LocalBlobs

BROOD = EntryPoint("brood", root=Path(__file__).parent / "programs")
EVERY_ISOLATION = [
    pytest.param(
        "auto",
        id=BUBBLEWRAP,
        marks=pytest.mark.skipif(
            bubblewrap() is None, reason="bubblewrap is not installed or may not make namespaces"
        ),
    ),
    pytest.param("digest-approved", id=APPROVED),
]


class Bench:
    """Runs the brooding program and watches the child it leaves."""

    def __init__(self, provider: LocalProvider, blobs: LocalBlobs) -> None:
        self.provider = provider
        self.blobs = blobs
        self.handles: list[int] = []
        self.gone = 0

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        if self.provider.isolation == APPROVED:  # inside a sandbox the number means nothing here
            try:
                self.handles.append(os.pidfd_open(done))
            except ProcessLookupError:  # it was ended before its line was read
                self.gone += 1

    def run(self, ending: str, **over):
        digest = find_program("brood", BROOD).digest
        job = Job(
            **{
                "id": "workload_brood",
                "entry_point": "brood",
                "arguments": {"ending": ending},
                "inputs": {},
                "devices": 1,
                "wall_seconds_max": 30,
                "cpu_seconds_max": 30,
                "memory_bytes_max": 1 << 30,
                "approved": frozenset({digest}),
                **over,
            }
        )
        return self.provider.run(job, blobs=self.blobs, progress=self, stopped=lambda: False)

    def assert_child_gone(self) -> None:
        if self.provider.isolation == APPROVED:
            assert self.handles or self.gone
        for handle in self.handles:
            assert select.select([handle], [], [], 20)[0], "the job's child is still running"


@pytest.fixture(params=EVERY_ISOLATION)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    provider = LocalProvider(
        tmp_path / "work",
        {"brood": BROOD},
        isolation=request.param,
        outputs_bytes_max=4 << 20,
    )
    bench = Bench(provider, LocalBlobs(tmp_path / "blobs"))
    yield bench
    for handle in bench.handles:
        os.close(handle)


def test_a_child_that_holds_the_streams_neither_delays_the_end_nor_survives(bench) -> None:
    outcome = bench.run("normal")
    assert outcome.verdict == "succeeded"
    assert outcome.metered.wall_ms < 10_000
    bench.assert_child_gone()


def test_a_program_that_closes_its_streams_is_still_watched_to_its_end(bench) -> None:
    outcome = bench.run("quiet")
    assert outcome.verdict == "succeeded"
    assert outcome.metered.wall_ms >= 200  # of a second: who watches may begin late
    bench.assert_child_gone()


def test_a_program_that_crashes_names_the_signal(bench) -> None:
    outcome = bench.run("signal")
    assert outcome.verdict == "failed"
    assert outcome.why.code == "compute.failed_signal"
    assert dict(outcome.why.params) == {"signal": 11}
    bench.assert_child_gone()


@pytest.mark.parametrize("ending", ["flood", "hide"])
def test_a_program_that_writes_too_much_or_hides_it_is_ended_while_it_runs(bench, ending) -> None:
    outcome = bench.run(ending)
    assert outcome.verdict == "failed"
    # A single growing file meets the limit of the process, or the watch if it looks just then.
    expected = {
        "flood": {"compute.failed_exit", "compute.failed_output_size"},
        "hide": {"compute.failed_output_kind"},
    }
    assert outcome.why.code in expected[ending]
    assert outcome.metered.wall_ms < 20_000
    bench.assert_child_gone()


chunks = st.lists(
    st.binary(max_size=50) | st.integers(1, 3).map(lambda n: b"y" * n * LINE_BYTES_MAX), max_size=20
)


@given(chunks, st.lists(st.integers(1, 5_000), max_size=10))
@settings(max_examples=200, deadline=None)
def test_lines_and_the_end_are_the_same_however_the_output_arrives(lines, cuts) -> None:
    output = b"\n".join(lines)
    got: list[bytes] = []
    stream = launcher._Stream(got.append)
    stream.take(READY + STARTED)
    got.clear()
    start = 0
    for cut in cuts:
        stream.take(output[start : start + cut])
        start += cut
    stream.take(output[start:])
    whole = output.split(b"\n")[:-1]
    assert got == [line for line in whole if len(line) < LINE_BYTES_MAX]
    assert stream.last() == output[-LOG_BYTES_MAX:]
    assert len(stream.tail) <= 2 * LOG_BYTES_MAX + max(len(output), 1)


def test_the_bootstraps_own_words_are_not_part_of_the_log() -> None:
    stream = launcher._Stream(None)
    stream.take(READY + STARTED + b"hello\n")
    assert stream.last() == b"hello\n"


def test_metered_time_is_rounded_up_and_never_nothing() -> None:
    usage = os.wait4(os.posix_spawn("/bin/true", ["true"], {}), 0)[2]
    assert launcher._metered(0.0, usage).wall_ms == 1
    assert launcher._metered(1.0001, usage).wall_ms == 1_001
    assert launcher._metered(2.0, usage).wall_ms == 2_000
    assert launcher._metered(1.0, usage).memory_bytes_peak > 100_000
