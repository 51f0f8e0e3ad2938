"""The real command on generated tickets: in its own process, on a home of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from yunhe.app import Platform, open_platform
from yunhe.custody.domain import Audit
from yunhe.kernel.clock import Clock
from yunhe.kernel.language import text
from yunhe.settings import Settings

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "examples" / "hotline" / "plan.yaml"
SMALL = 500
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("YUNHE_")},
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class Desk:
    """A home folder, and the command line to work on it."""

    home: Path
    tickets: Path
    plan: Path
    wrap: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        """The command as a list, run by this very Python."""
        return [*self.wrap, sys.executable, "-m", "yunhe", "--home", str(self.home), *arguments]

    def call(self, *arguments: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
            **kwargs,
        )

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        """`yunhe --json run` on the tickets."""
        return self.call("--json", *self.task(*more))

    def task(self, *more: str) -> list[str]:
        """`run` on the tickets."""
        return ["run", str(self.plan), "--input", str(self.tickets), *more]

    def result(self, *more: str) -> dict:
        """Run to the end, which must come; the key facts."""
        done = self.run(*more)
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        return json.loads(done.stdout)

    @contextmanager
    def platform(self, clock: Clock | None = None) -> Iterator[Platform]:
        """The platform of this home, in this process."""
        with open_platform(Settings(home=self.home), clock) as platform:
            yield platform

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Rows of the database, read beside the platform."""
        # Not read-only: SQLite may have to recover first, after a kill.
        with closing(sqlite3.connect(f"file:{self.home / 'yunhe.db'}?mode=rw", uri=True)) as db:
            return db.execute(query, values).fetchall()

    def stages(self) -> dict[str, dict]:
        """What each finished stage left, in their order."""
        query = "SELECT stage, result FROM plans_stage ORDER BY position"
        return {stage: json.loads(result) for stage, result in self.rows(query)}

    def blob(self, digest: str) -> Path:
        """Where an artefact lies."""
        hexadecimal = digest.removeprefix("sha256:")
        return self.home / "blobs" / hexadecimal[:2] / hexadecimal[2:]

    def certificate(self, run: str = "%") -> dict:
        """The body of the dataset's certificate of a run, or of the only one."""
        query = "SELECT result FROM plans_stage WHERE stage = 'corpus' AND run LIKE ?"
        ((result,),) = self.rows(query, run)
        issued = json.loads(self.blob(json.loads(result)["certificate_digest"]).read_bytes())
        return issued["body"]

    def table(self, digest: str) -> list[dict]:
        """The rows of a Parquet artefact."""
        return pq.read_table(self.blob(digest)).to_pylist()

    def kinds(self) -> Counter[str]:
        """How many custody records of each kind there are."""
        return Counter(dict(self.rows("SELECT kind, count(*) FROM custody_leaf GROUP BY kind")))


@dataclass(frozen=True)
class State:
    """What a home holds, as far as it must not depend on how often the run was interrupted."""

    transfers: int
    holds_open: int
    held_minor: int
    data_income_minor: int
    records: Counter[str]

    @classmethod
    def of(cls, desk: Desk) -> State:
        """Replays the ledger and audits the log on the way; both must be sound."""
        with desk.platform() as platform:
            lines, replay, holds = platform.accounts()
            audit: Audit = platform.audit(None)
        assert replay.ok, [problem.message("en") for problem in replay.problems]
        assert audit.ok, [problem.message("en") for problem in audit.problems]
        records = desk.kinds()
        # An interruption while asking makes the stage ask again, and every answer is on record.
        records["serving.answer"] = min(records["serving.answer"], 1)
        return cls(
            transfers=replay.transfers,
            holds_open=holds,
            held_minor=sum(line.held for _, line in lines),
            data_income_minor=sum(
                line.available
                for owner, line in lines
                if line.purpose == "cash" and "热线" in owner
            ),
            records=+records,
        )


def leftovers(home: Path) -> list[str]:
    """Files that only an unfinished write leaves, and artefacts that are not what they say."""
    found = []
    for path in home.rglob("*"):
        name = path.relative_to(home).as_posix()
        if ".partial" in path.name or ".incoming" in path.name or name.startswith("work/"):
            found.append(name)
        elif name.startswith("blobs/") and path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if name != f"blobs/{digest[:2]}/{digest[2:]}":
                found.append(name)
    return found


@dataclass(frozen=True)
class Refusal:
    """A command that did not do what it was asked, told in both languages."""

    exit_code: int
    error: dict
    chinese: str

    @property
    def code(self) -> str:
        """The error's stable code."""
        return self.error["code"]

    @property
    def findings(self) -> list[str]:
        """Every finding as an English sentence."""
        return [finding["message"] for finding in self.error["findings"]]

    @property
    def told(self) -> str:
        """Everything said in English."""
        return "\n".join([self.error["message"], *self.findings, self.error["do"]])


def refusal(desk: Desk, *arguments: str) -> Refusal:
    """Give the command once for a program and once for a Chinese reader; both must be refused.

    Whatever the failure, its message says what happened and what to do, in both languages and with
    nothing left unfilled.
    """
    english = desk.call("--json", *arguments)
    assert english.returncode not in (0, 1, 2, 70), english.stderr[-2000:] + english.stdout[-500:]
    error = json.loads(english.stdout)
    chinese = desk.call("--lang", "zh", *arguments)
    assert chinese.returncode == english.returncode, chinese.stderr[-2000:]
    for language, shown in (("en", english.stdout), ("zh", chinese.stderr)):
        assert "Traceback" not in english.stderr + chinese.stderr
        message = text(error["code"], language, **error["params"])
        what_to_do = text(error["code"] + ".do", language, **error["params"])
        assert message.split("{")[0], error
        assert what_to_do.split("{")[0], error
        if language == "en":
            assert (error["message"], error["do"]) == (message, what_to_do)
        else:
            assert message in shown, shown
            assert what_to_do in shown, shown
        for finding in error["findings"]:
            assert finding["where"] in (finding["message"] if language == "en" else shown)
    return Refusal(english.returncode, error, chinese.stderr)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], dict]) -> dict:
    """What ``make`` left in a folder of that name: made by the first of pytest's workers to ask."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder.with_suffix(".json")
        if not kept.exists():
            folder.mkdir()
            kept.write_text(json.dumps(make(folder)), "utf-8")
        return json.loads(kept.read_text("utf-8"))


@pytest.fixture(scope="session")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Generated tickets, each count and seed made once."""

    def make(count: int, seed: int = 7) -> Path:
        def generate(out: Path) -> dict:
            script = ROOT / "examples" / "hotline" / "generate.py"
            given = ["--count", str(count), "--seed", str(seed), "-o", str(out)]
            subprocess.run([sys.executable, str(script), *given], check=True, capture_output=True)
            return {"tickets": str(out / "tickets.jsonl")}

        return Path(made_once(tmp_path_factory, f"tickets-{count}-{seed}", generate)["tickets"])

    return make


def changed_plan(folder: Path, *changes: tuple[str, str], name: str = "plan.yaml") -> Path:
    """The hotline plan with other words in some places, each of which must be there once."""
    plan = PLAN.read_text("utf-8")
    for old, new in changes:
        assert plan.count(old) == 1, old
        plan = plan.replace(old, new)
    (folder / name).write_text(plan, "utf-8")
    return folder / name


EASY = (
    ("at_least: 0.75", "at_least: 0.2"),
    ("over_baseline: 0.03", "over_baseline: 0"),
    # Of 500 tickets a class may have very few; a gate on the difference would be a gate on luck.
    ("kind: keywords, keywords_file: keywords.yaml", "kind: majority"),
)
"""A gate that a model of 500 tickets can pass."""


@pytest.fixture(scope="session")
def small_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hotline plan with a gate that a model of 500 tickets can pass."""
    return changed_plan(tmp_path_factory.mktemp("plan"), *EASY)


@pytest.fixture
def desk(tmp_path: Path, tickets: Callable[..., Path], small_plan: Path) -> Desk:
    """A new home with 500 tickets."""
    return Desk(tmp_path / "home", tickets(SMALL), small_plan)


def run_once(
    factory: pytest.TempPathFactory, name: str, *, plan: Path, tickets: Path
) -> tuple[Desk, dict]:
    """A home in which the run went through undisturbed; what it said lies beside it."""

    def run(folder: Path) -> dict:
        desk = Desk(folder / "home", tickets, plan)
        done = desk.run()
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        (folder / "said.txt").write_text(done.stdout + done.stderr, "utf-8")
        return {"home": str(desk.home), "result": json.loads(done.stdout)}

    made = made_once(factory, name, run)
    return Desk(Path(made["home"]), tickets, plan), made["result"]


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tickets: Callable[..., Path], small_plan: Path
) -> tuple[Desk, dict]:
    """The undisturbed run of 500 tickets; tests only look at it."""
    return run_once(tmp_path_factory, "finished", plan=small_plan, tickets=tickets(SMALL))


@pytest.fixture
def copied(finished: tuple[Desk, dict], tmp_path: Path) -> tuple[Desk, dict]:
    """A copy of that home, to do things to."""
    desk, result = finished
    shutil.copytree(desk.home, tmp_path / "home")
    return Desk(tmp_path / "home", desk.tickets, desk.plan), result


@pytest.fixture(scope="session")
def full(
    tmp_path_factory: pytest.TempPathFactory, tickets: Callable[..., Path]
) -> tuple[Desk, dict]:
    """What `make demo` does: the example as it is, on its 20,000 tickets; to look at."""
    return run_once(tmp_path_factory, "full", plan=PLAN, tickets=tickets(20_000, seed=12345))


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    """Path of a bubblewrap that works here; skips where there is none."""
    program = shutil.which("bwrap")
    if program is None:
        pytest.skip("bubblewrap is not installed")
    probe = [program, "--dev-bind", "/", "/", "--unshare-net", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("bubblewrap may not make namespaces on this machine")
    return program
