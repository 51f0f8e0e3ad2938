"""Kills a running `yunhe run` at a chosen moment and finds what was left running."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from plan_desk import ENVIRONMENT, Desk

STAGES = ("people", "corpus", "exchange", "compute", "models", "evaluation", "governance",
          "serving", "verification")  # fmt: skip
START, REPORT = "start", "report"
"""Before the first stage, where the plan is read; after the last, where the page is written."""
SEED = 20261122
_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Kill:
    """One kill: what was aimed at and what was hit; enough to do it again."""

    stage: str
    delay_ms: int
    group: bool
    hit: str = ""

    def __str__(self) -> str:
        whom = "its whole group" if self.group else "the process alone"
        return f"{self.delay_ms} ms into {self.stage}, {whom}: hit {self.hit or 'nothing'}"


def milliseconds(desk: Desk) -> dict[str, int]:
    """How long each stage took in an undisturbed run."""
    took = dict(desk.rows("SELECT stage, milliseconds FROM plans_stage"))
    return {START: 700, **took, REPORT: 100}


def draw(chance: random.Random, stage: str, took: dict[str, int], *, early: bool = False) -> Kill:
    """A moment within the stage, or a little after it; one in two kills spares the children.

    ``early`` stays within the stage also where it takes a third of the time it took before.
    """
    part = chance.uniform(0, 0.3 if early else 1.15)
    return Kill(stage, round(part * took[stage]), chance.random() < 0.5)


def kill(desk: Desk, aim: Kill) -> Kill | None:
    """Run, and kill the run at that moment; None when it was over before."""
    process = subprocess.Popen(
        desk.command("--json", *desk.task()),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    try:
        _await(process, aim.stage)
        process.wait(timeout=aim.delay_ms / 1000)
    except subprocess.TimeoutExpired:
        (os.killpg if aim.group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        return Kill(aim.stage, aim.delay_ms, aim.group, interrupted_in(desk))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
    return None


def _await(process: subprocess.Popen[str], stage: str) -> None:
    """Return when the stage begins, or a later one, or the run ends."""
    if stage == START:
        return
    wanted = STAGES.index(stage) if stage in STAGES else len(STAGES) - 1
    for line in process.stderr:
        event = json.loads(line) if line.startswith("{") else {}
        name = event.get("stage", "").removeprefix("plans.stage.")
        if name in STAGES and STAGES.index(name) >= wanted:
            return


def interrupted_in(desk: Desk) -> str:
    """The first stage that is not finished; `START` while no run is written down."""
    if not (desk.home / "yunhe.db").is_file() or not _written_down(desk):
        return START
    done = desk.rows("SELECT count(*) FROM plans_stage")[0][0]
    return (*STAGES, REPORT)[done]


def _written_down(desk: Desk) -> bool:
    tables = desk.rows("SELECT count(*) FROM sqlite_master WHERE name = 'plans_run'")
    return tables != [(0,)] and desk.rows("SELECT count(*) FROM plans_run") != [(0,)]


def left_running(home: Path) -> list[str]:
    """Processes that have to do with a home: it is on their command line, or they work in it.

    A process in a sandbox names no folder of ours, but what its sandbox shows it was mounted from
    there.
    """
    mark = "/".join(home.parts[-4:])
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            mounts = (folder / "mountinfo").read_text("utf-8", errors="replace")
            works_in = str((folder / "cwd").readlink())
        except OSError:
            continue  # it ended while we looked, or is not ours
        if any(mark in where for where in (line, mounts, works_in)):
            found.append(f"{folder.name} {line[:200]}")
    return found
