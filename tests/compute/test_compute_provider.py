"""The local provider keeps the seam's promises, with and without a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from yunhe.compute.providers import local
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT, check_provider
from yunhe.compute.providers.entry_points import EntryPoint, Program, find_program
from yunhe.compute.providers.local import APPROVED, BUBBLEWRAP, LocalProvider
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.providers.seam import Gap, Job, Metered, Outcome
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Conflict, NotFound, Unavailable
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs

PROGRAMS = Path(__file__).parent / "programs"
ENTRY_POINTS = {
    TRIAL: TRIAL_ENTRY_POINT,
    "fit": EntryPoint("fit", root=PROGRAMS),
    "messy": EntryPoint("messy", root=PROGRAMS),
}
needs_bubblewrap = pytest.mark.skipif(
    bubblewrap() is None, reason="bubblewrap is not installed or may not make namespaces here"
)
EVERY_ISOLATION = [
    pytest.param("auto", id=BUBBLEWRAP, marks=needs_bubblewrap),
    pytest.param("digest-approved", id=APPROVED),
]


@pytest.fixture(params=EVERY_ISOLATION)
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path / "work", ENTRY_POINTS, isolation=request.param)


@pytest.fixture
def approved_provider(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path / "work", ENTRY_POINTS, isolation="digest-approved")


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def job(entry_point: str = TRIAL, **arguments: str) -> Job:
    return Job(
        id="workload_1",
        entry_point=entry_point,
        arguments=arguments,
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=4 << 30,
        approved=frozenset({find_program(entry_point, ENTRY_POINTS[entry_point]).digest}),
    )


def run(provider: LocalProvider, blobs: LocalBlobs, wanted: Job, *, stopped=lambda: False):
    return provider.run(wanted, blobs=blobs, progress=Silent(), stopped=stopped)


def test_the_local_provider_conforms_to_the_seam(provider, blobs, tmp_path: Path) -> None:
    assert check_provider(provider, blobs=blobs) == []
    assert list((tmp_path / "work").iterdir()) == []


class CarelessProvider:
    """Says that everything went well, whatever it is asked to do."""

    adapter = "careless"
    isolation = APPROVED

    def __init__(self, *gaps: str) -> None:
        self._gaps = gaps

    def gaps(self) -> tuple[Gap, ...]:
        return tuple(Gap(code) for code in self._gaps)

    def run(self, job: Job, *, blobs, progress, stopped) -> Outcome:
        progress.step("begun", done=1)
        return Outcome(
            verdict="succeeded",
            metered=Metered(1, 0, 0, 0),
            isolation="none",
            code_digest="sha256:",
            stdout_tail=b"x" * 10**6,
        )


def test_the_conformance_suite_finds_every_promise_that_is_broken(blobs) -> None:
    findings = check_provider(CarelessProvider(), blobs=blobs)
    assert {finding.where for finding in findings} == {
        "good_job",
        "failing_job",
        "wall_time",
        "processor_time",
        "memory",
        "bounded_log",
        "stop",
        "twice_at_once",
        "environment",
        "link_refused",
        "missing_input",
        "unapproved",
    }
    assert all(finding.message("en") != finding.code for finding in findings)


def test_the_conformance_suite_does_not_ask_for_what_is_declared_as_a_gap(blobs) -> None:
    gaps = ("compute.gap_memory", "compute.gap_stop", "compute.gap_wall", "compute.gap_processor")
    asked = {finding.where for finding in check_provider(CarelessProvider(*gaps), blobs=blobs)}
    assert asked.isdisjoint({"memory", "stop", "wall_time", "processor_time"})


def test_every_gap_says_why_in_both_languages(provider) -> None:
    assert provider.gaps()
    for gap in provider.gaps():
        assert gap.message("en") != gap.message("zh")
        assert gap.code not in gap.message("en") + gap.message("zh")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (replace(job(action="fail")), "compute.failed_exit"),
        (replace(job(action="endure"), wall_seconds_max=1), "compute.failed_wall"),
        (replace(job(action="burn"), cpu_seconds_max=1), "compute.failed_cpu"),
        (
            replace(job(action="hoard", bytes=str(10**9)), memory_bytes_max=512 << 20),
            "compute.failed_memory",
        ),
        (replace(job(action="unheard-of")), "compute.failed_exit"),
        (job("messy", leave="folder"), "compute.failed_output_kind"),
        (job("messy", leave="pipe"), "compute.failed_output_kind"),
        (job("messy", leave="hidden"), "compute.failed_output_kind"),
        (job("messy", leave="chinese"), "compute.failed_output_kind"),
        (job("messy", leave="many"), "compute.failed_output_count"),
        (job("messy", leave="large"), "compute.failed_output_size"),
        (job("messy", leave="largest"), "compute.failed_exit"),  # the write itself is refused
    ],
)
def test_a_failed_job_is_metered_and_says_why(tmp_path, blobs, wanted: Job, code: str) -> None:
    provider = LocalProvider(tmp_path / "work", ENTRY_POINTS, outputs_bytes_max=1_500_000)
    outcome = run(provider, blobs, wanted)
    assert outcome.verdict == "failed"
    assert outcome.why is not None
    assert outcome.why.code == code
    assert code not in outcome.why.message("en") + outcome.why.message("zh")
    assert outcome.outputs == {}
    assert outcome.metered.wall_ms >= 1
    assert outcome.metered.memory_bytes_peak > 1 << 20


def test_real_training_fits_the_default_limits_with_one_thread_and_a_fixed_hash(
    provider, blobs
) -> None:
    outcome = run(provider, blobs, job("fit"))
    assert outcome.why is None, outcome.stderr_tail.decode()
    result = json.loads(blobs.read(outcome.outputs["result.json"]))
    assert result["score"] == 1.0
    assert result["threads"] == [1]
    expected = subprocess.run(
        [sys.executable, "-c", "print(hash('运河'))"],
        env={"PYTHONHASHSEED": "0", "LANG": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    assert result["hash"] == int(expected.stdout)


def test_wall_and_processor_time_are_both_metered(provider, blobs) -> None:
    outcome = run(provider, blobs, replace(job(action="burn"), wall_seconds_max=3))
    assert 3_000 <= outcome.metered.wall_ms < 8_000
    # Starting Python alone takes less; a busy machine gives the program less than that time.
    assert outcome.metered.cpu_user_ms > 150


def test_the_environment_holds_nothing_but_what_numeric_programs_need(
    provider, blobs, monkeypatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONSTARTUP", "/tmp/evil.py")
    outcome = run(provider, blobs, replace(job(action="environment"), devices=3))
    seen = json.loads(blobs.read(outcome.outputs["environment"]))
    seen.pop("PWD", None)  # bubblewrap tells where it starts
    seen.pop("LC_CTYPE", None)  # Python's own doing
    assert set(seen) == {
        "PATH",
        "LANG",
        "HOME",
        "TMPDIR",
        "PYTHONHASHSEED",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "MALLOC_ARENA_MAX",
        "YUNHE_REPLICA",
        "YUNHE_REPLICAS",
        *("YUNHE_NODE", "YUNHE_NODES", "YUNHE_MASTER", "YUNHE_STARTED"),
    }
    assert seen["OMP_NUM_THREADS"] == "3"
    assert seen["HOME"] not in (os.environ.get("HOME"), "/root")


def test_a_folder_nested_without_end_is_refused_and_still_removed(
    provider, blobs, tmp_path: Path
) -> None:
    outcome = run(provider, blobs, job("messy", leave="abyss"))
    assert outcome.why.code == "compute.failed_output_kind"
    assert list((tmp_path / "work").iterdir()) == []


def test_outputs_that_the_job_closed_are_opened_again(provider, blobs, tmp_path: Path) -> None:
    outcome = run(provider, blobs, job("messy", leave="closed"))
    assert outcome.verdict == "succeeded"
    assert blobs.read(outcome.outputs["closed"]) == b"x"
    assert list((tmp_path / "work").iterdir()) == []


class Recorder:
    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int | None]] = []

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        self.seen.append((what, done, total))


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (b'{"done": 1, "total": 2, "what": "epochs"}', ("epochs", 1, 2)),
        (b'{"done": 1, "what": "epochs"}', ("epochs", 1, None)),
        (b'{"done": 1, "what": "\\u001b[2Jepochs\\n"}', ("[2Jepochs", 1, None)),
        (b'{"done": 1, "what": "' + b"x" * 500 + b'"}', ("x" * 80, 1, None)),
        (b'{"done": true, "what": "epochs"}', None),
        (b'{"done": "1", "what": "epochs"}', None),
        (b'{"done": 1}', None),
        (b'{"done": 1, "what": "x", "total": "all"}', None),
        (b"{broken", None),
        (b"\xff\xfe", None),
        (b"[1]", None),
        (b"loss 0.3", None),
    ],
)
def test_only_well_formed_progress_is_forwarded_and_nothing_unprintable(line, step) -> None:
    recorder = Recorder()
    local._forward(line, recorder)
    assert recorder.seen == ([] if step is None else [step])


def test_what_a_killed_run_left_is_gone_before_the_next_one_starts(
    provider, blobs, tmp_path: Path
) -> None:
    left = tmp_path / "work" / "workload_1" / "outputs"
    left.mkdir(parents=True)
    (left / "half-written").write_text("half")
    outcome = run(provider, blobs, job(action="copy", word="fresh"))
    assert set(outcome.outputs) == {"word"}


def test_an_error_of_the_caller_ends_the_job_and_removes_its_folder(
    provider, blobs, tmp_path: Path
) -> None:
    class Broken:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        provider.run(job(action="endure"), blobs=blobs, progress=Broken(), stopped=lambda: False)
    assert list((tmp_path / "work").iterdir()) == []
    # The folder's lock is free again, so the very same job runs.
    assert run(provider, blobs, job(action="copy", word="again")).verdict == "succeeded"


def test_a_program_changed_after_it_was_looked_at_does_not_run(
    approved_provider, blobs, monkeypatch, tmp_path: Path
) -> None:
    looked_at = find_program("fit", ENTRY_POINTS["fit"])
    changed = tmp_path / "fit.py"
    changed.write_text("raise SystemExit('must not run')")
    monkeypatch.setattr(
        local,
        "find_program",
        lambda *_: Program(looked_at.module, changed, looked_at.digest, tmp_path),
    )
    with pytest.raises(Unavailable) as caught:
        run(approved_provider, blobs, job("fit"))
    assert caught.value.code == "compute.launch_failed"


def test_an_interpreter_that_is_not_there_is_the_providers_fault(
    approved_provider, blobs, monkeypatch
) -> None:
    monkeypatch.setattr(local.sys, "executable", "/nowhere/python")
    with pytest.raises(Unavailable) as caught:
        run(approved_provider, blobs, job(action="fail"))
    assert caught.value.code == "compute.launch_failed"
    assert caught.value.retryable


def test_a_program_that_does_not_exist_is_named(provider, blobs, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        run(provider, blobs, replace(job(), entry_point="nobody-knows"))
    assert caught.value.code == "compute.entry_point_unknown"
    with pytest.raises(NotFound):
        find_program("gone", EntryPoint("gone", root=tmp_path))
    with pytest.raises(NotFound):
        find_program("escape", EntryPoint("../programs/fit", root=PROGRAMS))


def test_looking_at_a_program_does_not_run_it(tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "__init__.py").write_text("raise SystemExit('must not run')")
    (tmp_path / "evil" / "program.py").write_text("pass")
    found = find_program("evil", EntryPoint("evil.program", root=tmp_path))
    assert found.digest == sha256(b"pass")


def test_a_work_folder_that_cannot_be_made_is_an_error_a_person_understands(
    tmp_path: Path, blobs
) -> None:
    (tmp_path / "file").write_text("not a folder")
    provider = LocalProvider(tmp_path / "file" / "work", ENTRY_POINTS)
    with pytest.raises(Unavailable) as caught:
        run(provider, blobs, job(action="fail"))
    assert "file" in caught.value.message("en")


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", ""])
def test_names_that_would_leave_the_jobs_folder_are_refused(provider, blobs, name: str) -> None:
    digest = blobs.put(b"data").digest
    with pytest.raises(ValueError, match="cannot name a file"):
        run(provider, blobs, replace(job(action="fail"), inputs={name: digest}))
    with pytest.raises(ValueError, match="cannot name a file"):
        run(provider, blobs, replace(job(action="fail"), id=name))


def test_a_second_call_for_a_running_job_is_refused_and_the_first_goes_on(provider, blobs) -> None:
    refused: list[str] = []
    wanted = job(action="endure")

    class Meddler:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            with pytest.raises(Conflict) as caught:
                run(provider, blobs, wanted)
            refused.append(caught.value.code)

    outcome = provider.run(wanted, blobs=blobs, progress=Meddler(), stopped=lambda: bool(refused))
    assert refused == ["compute.job_running"]
    assert outcome.verdict == "stopped"
