"""The two commands: what they set up, and what they say when they cannot."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements" / name for name in ("run.txt", "dev.txt")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def pinned(lock: Path) -> dict[str, set[str]]:
    """Package → versions (one a Python version at most) of a lock."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9_.-]+)==([^\s;\\]+)", lock.read_text("utf-8"), re.M):
        found.setdefault(name, set()).add(version)
    return found


def preflight(patch: str) -> subprocess.CompletedProcess[str]:
    code = f"import runpy, sys; {patch}; runpy.run_path('tools/preflight.py', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def read_off_the_clock(name: str) -> list[str]:
    """Times of day around now in ``name`` that no test has written down."""
    written = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    now = datetime.now(UTC)
    hours = [f"{now + timedelta(hours=off):%Y-%m-%d[T ]%H}" for off in (-1, 0, 1)]
    found = re.findall(rf"(?:{'|'.join(hours)}):\d\d:\d\d", name)
    return [at for at in found if at not in written]


def test_every_process_gives_a_test_the_same_name(request):
    """Processes share tests out by name; in each a set has an order and a time of its own."""
    unlike = re.compile(" object at 0x|/pytest-of-")
    for item in request.session.items:
        given = getattr(item, "callspec", None)
        if given is None:
            continue
        sets = [str(each) for each in given.params.values() if isinstance(each, set | frozenset)]
        assert not [each for each in sets if "," in each and each in given.id], item.nodeid
        assert not unlike.search(given.id), item.nodeid
        if re.search(r"\d:\d\d:\d\d", given.id):
            assert not read_off_the_clock(given.id), item.nodeid


def test_a_name_with_the_time_of_day_is_known_and_a_written_one_is_not_mistaken():
    now = datetime.now(UTC)
    assert read_off_the_clock(f"test_it[{now.isoformat()}]")
    assert read_off_the_clock(f"test_it[{now:%Y-%m-%d %H:%M:%S}+00:00]")
    assert not read_off_the_clock("test_it[2026-11-22T08:09:10.123456Z-2026-11-22 08:09:10Z]")
    assert not read_off_the_clock("test_it[2031-02-03 04:05:06-two]")


def test_a_python_that_can_make_environments_passes_the_preflight_silently():
    done = preflight("pass")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_without_venv_the_one_command_that_adds_it_is_printed(module):
    done = preflight(f"sys.modules[{module!r}] = None")
    assert done.returncode == 1
    version = ".".join(str(part) for part in sys.version_info[:2])
    assert f"sudo apt-get install -y python{version}-venv" in done.stderr
    assert "缺少" in done.stderr


def test_a_python_that_is_too_old_is_named_with_what_to_do():
    done = preflight("sys.version_info = (3, 9, 2)")
    assert done.returncode == 1
    assert "3.9.2" in done.stderr
    assert "make demo PYTHON=" in done.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_locks_pin_every_package_with_hashes_and_name_no_address(lock):
    source = lock.read_text("utf-8")
    entries = re.split(r"\n(?=[a-z])", source.strip())
    assert len(entries) > 20
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in source
    assert "--index" not in source
    assert "--find-links" not in source


def test_the_test_environment_has_the_very_packages_of_the_run_environment():
    run, dev = (pinned(lock) for lock in LOCKS)
    assert {name: dev.get(name) for name in run} == run


def test_every_declared_dependency_is_locked_and_explained():
    run = pinned(LOCKS[0])
    explained = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    for line in PROJECT["project"]["dependencies"]:
        name = re.split(r"[>=<\[]", line)[0]
        assert name in run
        assert f"| {name} " in explained


def test_heavy_packages_stay_out_of_the_default_install_and_the_tests():
    heavy = {"torch", "ray", "ortools", "highspy", "polars", "duckdb", "pandas", "transformers"}
    assert heavy.isdisjoint(pinned(LOCKS[0]))
    # The tests run on a real Ray, and mlcroissant reads with pandas.
    assert (heavy - {"ray", "pandas"}).isdisjoint(pinned(LOCKS[1]))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_no_lock_leaves_out_macos(lock):
    source = lock.read_text("utf-8")
    markers = re.findall(r"; (.*?) \\\\", source)
    assert not [m for m in markers if "darwin" in m or "linux" in m]


def test_ci_calls_exactly_the_second_command():
    lines = [
        line
        for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "exec make test"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_first_command_generates_and_runs_and_nothing_else():
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo", "COUNT=7", "SEED=9", "HOME_DEMO=/tmp/h"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    steps = [line for line in shown.splitlines() if "generate.py" in line or "yunhe" in line]
    assert steps[-2:] == [
        ".venv/bin/python examples/hotline/generate.py --count 7 --seed 9 -o /tmp/h/input",
        ".venv/bin/yunhe --home /tmp/h run examples/hotline/plan.yaml "
        "--input /tmp/h/input/tickets.jsonl",
    ]
    assert "--require-hashes -r requirements/run.txt" in shown


def test_no_file_names_a_package_index_or_a_path_of_one_machine():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if not tracked[0]:
        pytest.skip("not a git checkout")
    hosts = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org")
    paths = ("/" + "work/", "/" + "farm/", "/" + "root/")
    offenders = []
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".png", ".parquet"} or not path.is_file():
            continue
        source = path.read_text("utf-8", errors="replace")
        offenders += [f"{name}: {word}" for word in (*hosts, *paths) if word in source]
    assert offenders == []
