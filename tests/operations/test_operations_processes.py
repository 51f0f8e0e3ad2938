"""Workers in processes of their own: killed, told to end, several beside each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from operation_desk import PATIENCE, Held, until

from yunhe.operations import worker
from yunhe.settings import Settings

SCRIPT = Path(__file__).with_name("worker_process.py")


class Process:
    """A worker that runs beside the test."""

    def __init__(self, settings: Settings, which: str) -> None:
        command = [sys.executable, str(SCRIPT), str(settings.home), which, settings.database_url]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.line() == "ready"

    def line(self) -> str:
        return self.popen.stdout.readline().strip()

    def kill(self) -> None:
        os.kill(self.popen.pid, signal.SIGKILL)
        self.popen.wait(PATIENCE)

    def terminate(self) -> int:
        self.popen.terminate()
        return self.popen.wait(PATIENCE)


@pytest.fixture
def process(desk) -> Iterator[Callable[[str], Process]]:
    made: list[Process] = []

    def start(which: str = "hold") -> Process:
        made.append(Process(desk.platform.settings, which))
        return made[-1]

    yield start
    for one in made:
        if one.popen.poll() is None:
            one.kill()
        one.popen.stdout.close()


def test_what_a_killed_worker_had_another_takes_over_at_once(desk, process):
    asked = desk.ask("a")
    doomed = process()
    assert doomed.line() == "begun"
    doomed.kill()
    held = Held()
    held.free.set()
    desk.started({"a": held})
    ended = desk.wait(asked)
    assert (ended.state, ended.workers_lost, ended.result) == ("done", 1, {"calls": 1})
    assert [name for name in desk.said(asked) if name != "progress"] == [
        "waiting",
        "running",
        "running",
        "done",
    ]


def test_an_operation_that_kills_every_worker_ends_as_failed(desk, process, monkeypatch):
    monkeypatch.setattr(worker, "WORKERS_LOST_MAX", 1)
    asked = desk.ask("a")
    for _ in range(2):
        doomed = process()
        assert doomed.line() == "begun"
        doomed.kill()
    desk.started({"a": Held()})
    ended = desk.wait(asked)
    assert (ended.state, ended.error["code"]) == ("failed", "storage.workers_lost")


def test_a_worker_told_to_end_hands_its_work_back_and_exits_clean(desk, process):
    asked = desk.ask("a")
    polite = process()
    assert polite.line() == "begun"
    assert polite.terminate() == 0
    assert polite.line() == "stopped"
    back = desk.see(asked)
    assert (back.state, back.workers_lost) == ("waiting", 0)


def test_two_processes_share_the_work_and_one_that_is_killed_loses_none_of_it(desk, process):
    first, second = process(), process()
    asked = [desk.ask("a", str(n)) for n in range(2)]
    assert first.line() == second.line() == "begun"
    assert {desk.see(one).state for one in asked} == {"running"}
    first.kill()
    held = Held()
    held.free.set()
    desk.started({"a": held})
    until(lambda: "done" in {desk.see(one).state for one in asked}, "the dead one's work")
    assert sorted(desk.see(one).state for one in asked) == ["done", "running"]
    assert second.terminate() == 0
    assert all(desk.wait(one).state == "done" for one in asked)
    assert held.calls == 2
