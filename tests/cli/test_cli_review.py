"""Reviews from the command line: the screen, by pipe and on a real terminal, and files."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

import api_seeds_goods
from remote_desk import Person, people, server

from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound

TEXTS = ["路灯不亮。", "水压很低，\n请处理。\x1b[2J", "占道经营。"]


class House:
    """An organisation with a certified dataset, two stewards who review and one who opens."""

    def __init__(self, folder, capsys, monkeypatch, running) -> None:
        self.running = running
        self.operator, self.head = people(folder, capsys, monkeypatch, running)
        self.steward, self.ann, self.ben, self.cat = (
            self._joins(Person(folder / name, capsys, monkeypatch)) for name in "sabc"
        )
        storage = running._platform.storage
        desk = SimpleNamespace(storage=storage, now_us=storage.clock.now_us)
        holder = self.head.json("whoami")["organisation"]["id"]
        data = api_seeds_goods.parquet_of(TEXTS)
        row = api_seeds_goods.certify(desk, holder, name="reviewed", data=data)
        self.certificate = str(row["certificate_id"])

    def _joins(self, person: Person) -> Person:
        token = self.head.json("invite", "--role", "data_steward")["token"]
        accept = ("login", "--server", self.running.url, "--invitation", "--name", "N")
        person.json(*accept, typed=f"{token}\n")
        return person

    def opened(self, *more: str) -> str:
        return self.steward.json("review", "open", self.certificate, *more)["id"]


@pytest.fixture
def house(tmp_path, capsys, monkeypatch):
    with server(tmp_path / "home") as running:
        yield House(tmp_path, capsys, monkeypatch, running)


def test_two_people_review_by_keys_and_a_third_decides(house):
    review = house.opened()
    first = house.ann("review", typed="1\n1\n1\n")
    assert first.code == 0, first.err
    assert "3 judgement(s) sent" in first.out
    assert "\x1b" not in first.out  # what a document holds moves no cursor
    assert "  请处理。" in first.out
    assert "No open review" in house.ann("review").out
    second = house.ben("review", "--review", review, typed="1\n2\n32 6\n1\n", lang="zh")
    assert "已提交 3 条判断" in second.out
    third = house.cat("review", typed="2\nx\n33\nq\n")
    assert "Two reviewers differ" in third.out
    assert "1 judgement(s) sent" in third.out
    shown = house.steward("review", "show", review)
    assert "does not meet the standard" in shown.out
    assert "not compared with the official text" in shown.out
    assert "2 / 3" in shown.out
    assert "未达到标准" in house.steward("review", "list", lang="zh").out
    found = house.steward.json("review", "show", review)
    assert found["result"]["reviewers"] == 3
    assert house.ann.json("review", "--review", review)["judged"] == 0


def test_what_is_put_off_comes_last_and_what_is_held_is_given_back(house):
    review = house.opened()
    said = house.ann("review", typed="3\n1\nq\n")
    assert [line.split()[1] for line in said.out.splitlines() if line.startswith("Item")] == [
        "1", "2", "3",
    ]  # fmt: skip
    found = house.steward.json("review", "show", review)["progress"]
    assert (found["judgements"], found["claimed"]) == (1, 0)
    again = house.ann("review", typed="2\n\n1\n3\n1\n")  # looks again, then passes
    assert "2 judgement(s) sent" in again.out


def test_whoever_opened_it_is_offered_nothing(house):
    review = house.opened()
    assert "No open review" in house.steward("review").out
    refused = house.steward("review", "--review", review)
    assert refused.code == NotAllowed.exit_code


def test_files_for_label_studio_go_out_and_come_back(house, tmp_path):
    review, out = house.opened(), tmp_path / "tasks.json"
    written = house.ann.json("review", "export", review, "--to", str(out))
    assert written["items"] == 3
    assert "<Choices" in (tmp_path / "tasks.xml").read_text("utf-8")
    tasks = json.loads(out.read_text("utf-8"))
    assert [task["data"]["text"] for task in tasks] == TEXTS
    for task, verdict in zip(tasks, ("pass", "fail", "pass"), strict=True):
        result = [{"from_name": "verdict", "value": {"choices": [verdict]}}]
        if verdict == "fail":
            result.append({"from_name": "reasons", "value": {"choices": ["A.2.5"]}})
        task["annotations"] = [{"result": result}]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps([*tasks, 3]), "utf-8")
    refused = house.ann("review", "import", review, str(broken))
    assert refused.code == Invalid.exit_code
    assert "task 4" in refused.err
    out.write_text(json.dumps(tasks), "utf-8")
    assert house.ann.json("review", "import", review, str(out))["judged"] == 3
    assert house.ann.json("review", "import", review, str(out))["judged"] == 3  # again: no change
    progress = house.steward.json("review", "show", review)["progress"]
    assert progress["judgements"] == 3
    others = house.ben("review", "import", review, str(out))
    assert others.code == Conflict.exit_code
    assert house.ben("review", "import", review, str(tmp_path / "no")).code == NotFound.exit_code


def test_a_review_is_withdrawn_by_those_who_may(house):
    review = house.opened()
    assert house.ann.json("review", "withdraw", review)["state"] == "withdrawn"
    assert house.opened() != review


def test_the_screen_works_on_a_real_terminal(house):
    house.opened()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("YUNHE_")},
        "XDG_CONFIG_HOME": str(house.ann.folder), "TERM": "xterm", "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "yunhe", "--lang", "en", "review"]
    run = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        _until(ours, "[q] quit")
        os.write(ours, b"1")
        assert "Item 2" in _until(ours, "[q] quit")
        os.write(ours, b"2")
        _until(ours, "look again")
        os.write(ours, b"35\n")
        _until(ours, "[q] quit")
        os.write(ours, b"q")
        _until(ours, "2 judgement(s) sent")
        assert run.wait(90) == 0
    finally:
        run.kill()
        run.wait()
    os.close(ours)


def _until(terminal: int, words: str) -> str:
    """What the terminal shows until it shows these words."""
    seen, end = b"", time.monotonic() + 90
    while words.encode() not in seen:
        ready, _, _ = select.select([terminal], [], [], max(end - time.monotonic(), 0))
        assert ready, seen.decode(errors="replace")
        seen += os.read(terminal, 4096)
    return seen.decode()


def test_the_datasheet_of_a_certificate_is_written_with_its_description(house, tmp_path):
    to = tmp_path / "sheet"
    said = house.steward("datasheet", house.certificate, "--to", str(to))
    assert said.code == 0, said.err
    assert "datasheet.html" in said.out
    assert "De-identified, not anonymous." in (to / "datasheet.html").read_text("utf-8")
    assert json.loads((to / "croissant.json").read_text("utf-8"))["@type"] == "sc:Dataset"
    assert house.steward("datasheet", "certificate_none", "--to", str(to)).code == (
        NotFound.exit_code
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = house.steward("datasheet", str(empty), lang="zh")
    assert refused.code == NotFound.exit_code
    assert "没有已完成的清洗结果" in refused.err
