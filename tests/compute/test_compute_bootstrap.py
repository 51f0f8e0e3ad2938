"""The first code of a job's process, and what happens where bubblewrap does not work."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from yunhe.compute.providers import bootstrap, sandbox, trial
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.local import APPROVED, LocalProvider

BOOTSTRAP = Path(bootstrap.__file__)
# A platform whose kernel cannot kill orphans, as far as the bootstrap can tell.
ELSEWHERE = (
    "import runpy, sys; sys.platform = 'elsewhere'; "
    f"runpy.run_path({str(BOOTSTRAP)!r}, run_name='__main__')"
)


@pytest.fixture
def start():
    """Starts a bootstrap and makes sure that it does not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*line: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-s", "-P", *line],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline() == bootstrap.READY
        return process

    yield begin
    for process in started:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


def order(tmp_path: Path, **over) -> bytes:
    program = find_program(TRIAL, TRIAL_ENTRY_POINT)
    job = tmp_path / "job.json"
    (tmp_path / "outputs").mkdir(exist_ok=True)
    action = {"action": "endure"}
    job.write_text(
        json.dumps({"arguments": action, "inputs": {}, "outputs": str(tmp_path / "outputs")})
    )
    limits = {
        "cpu_seconds": 60,
        "memory_bytes": 1 << 30,
        "file_bytes": 1 << 20,
        "open_files": 64,
    }
    told = {
        "file": str(program.path),
        "module": program.module,
        "digest": program.digest,
        "folders": [str(program.root)],
        "job": str(job),
        "sandboxed": False,
        "limits": limits,
        **over,
    }
    return json.dumps(told).encode() + b"\n"


def test_a_process_whose_parent_died_before_giving_its_word_runs_nothing(start) -> None:
    process = start(str(BOOTSTRAP))
    process.stdin.write(b'{"half an order')
    process.stdin.close()
    assert process.wait() == bootstrap.EXIT_ORPHAN
    assert process.stdout.read() == b""


def test_other_bytes_than_the_ones_looked_at_are_not_run(start, tmp_path: Path) -> None:
    process = start(str(BOOTSTRAP))
    process.stdin.write(order(tmp_path, digest="sha256:" + "0" * 64))
    process.stdin.flush()
    assert process.wait() == bootstrap.EXIT_CODE_DIFFERS
    assert process.stdout.read() == b""


@pytest.mark.parametrize("line", [(str(BOOTSTRAP),), ("-c", ELSEWHERE)], ids=["here", "elsewhere"])
def test_a_closing_pipe_ends_the_program_on_every_system(start, tmp_path: Path, line) -> None:
    process = start(*line)
    process.stdin.write(order(tmp_path))
    process.stdin.flush()
    assert process.stdout.readline() == bootstrap.STARTED
    assert json.loads(process.stdout.readline())["what"] == "begun"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait() == bootstrap.SIGNAL_BASE + signal.SIGKILL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a promise of the Linux kernel")
def test_a_supervisor_killed_alone_takes_the_program_with_it(start, tmp_path: Path) -> None:
    process = start(str(BOOTSTRAP))
    process.stdin.write(order(tmp_path))
    process.stdin.flush()
    assert process.stdout.readline() == bootstrap.STARTED
    (program,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    watched = os.pidfd_open(int(program))
    process.kill()
    ended, _, _ = select.select([watched], [], [], 20)
    os.close(watched)
    assert ended


def test_an_order_to_end_reaches_the_supervisor_as_a_signal_too(start, tmp_path: Path) -> None:
    process = start(str(BOOTSTRAP))
    process.stdin.write(order(tmp_path))
    process.stdin.flush()
    assert process.stdout.readline() == bootstrap.STARTED
    process.terminate()
    assert process.wait() == bootstrap.SIGNAL_BASE + signal.SIGKILL


def test_the_bootstrap_needs_nothing_but_the_standard_library() -> None:
    line = f"import sys; sys.path[:0] = [{str(BOOTSTRAP.parent)!r}]; import bootstrap"
    report = f"{line}; print(*sorted(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", report], capture_output=True, text=True, check=True
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names) - {"bootstrap", "__main__"}
    assert {name for name in foreign if not name.startswith("_")} == set()


def test_the_trial_program_can_do_everything_the_suite_asks_for() -> None:
    assert set(trial.ACTIONS) >= {"copy", "fail", "endure", "burn", "hoard", "chatter", "link"}


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/nowhere/sh\n", None])
def test_a_bubblewrap_that_does_not_work_is_not_used(
    tmp_path: Path, monkeypatch, script: str | None
) -> None:
    broken = tmp_path / "bwrap"
    if script is not None:
        broken.write_text(script)
        broken.chmod(0o755)
    found = None if script is None else str(broken)
    monkeypatch.setattr(sandbox.shutil, "which", lambda *_, **__: found)
    assert sandbox.bubblewrap.__wrapped__() is None
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: None)
    provider = LocalProvider(tmp_path / "work", {})
    assert provider.isolation == APPROVED
    assert "compute.gap_isolation" in {gap.code for gap in provider.gaps()}


def test_a_sandbox_shows_a_protected_folder_only_as_an_empty_one(tmp_path: Path) -> None:
    code, home = tmp_path / "code", tmp_path / "code" / "home"
    mounts = " ".join(sandbox._mounts([code, home / "program"], [home, tmp_path / "other"]))
    outer, cover, inner, sealed = (
        mounts.index(f"--ro-bind {code} {code}"),
        mounts.index(f"--tmpfs {home}"),
        mounts.index(f"--ro-bind {home / 'program'}"),
        mounts.index(f"--remount-ro {home}"),
    )
    assert outer < cover < inner < sealed
    assert "other" not in mounts
    # A folder that is to be shown and to be protected is covered.
    both = " ".join(sandbox._mounts([home], [home]))
    assert both.index(f"--ro-bind {home}") < both.index(f"--tmpfs {home}")
