"""The queue, why a workload waits, and what it printed, on the command line."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from office import fault
from remote_desk import people, server, supplied

from yunhe.api import document
from yunhe.cli import queueing
from yunhe.cli.help import width
from yunhe.cli.session import Session
from yunhe.client.wire.queue import Queued, Waiting
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.kernel.errors import NotFound
from yunhe.operations.worker import Worker

WORKLOAD = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"
WHY, QUEUE = "GET /v1/workloads/{workload}/why", "GET /v1/queue"
ONE, LOGS = "GET /v1/workloads/{workload}", "GET /v1/workloads/{workload}/log"
HAN = re.compile(r"[\u4e00-\u9fff]")
SPEC = """\
entry_point: {name}
arguments: {{action: confide, variable: NONE}}
wall_seconds_max: 60
cpu_seconds_max: 60
"""


class Screen(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def item(**changed):
    """A row of the queue, since three hours, that starts in two to nine hours."""
    now = datetime.now(UTC)
    times = {
        "since": (now - timedelta(hours=3, minutes=1)).isoformat(),
        "early_at": (now + timedelta(hours=2, minutes=1)).isoformat(),
        "late_at": (now + timedelta(hours=8, minutes=30)).isoformat(),
    }
    return {**document.example(Queued), **times, **changed}


def page(*items):
    return {"items": list(items), "next": None}


def test_the_queue_is_a_table_of_ranks_times_and_short_reasons(desk):
    desk.office.says(QUEUE, page(item(), item(rank=4, early_at=None, late_at=None)))
    shown = desk("queue")
    assert shown.code == 0, shown.err
    first, second = shown.out.splitlines()[1:]
    asked = f"3 {WORKLOAD} 8 × ascend910b / h20 3 h 2–9 h devices"
    assert first.split() == asked.split()
    assert second.split()[-2:] == ["–", "devices"]
    chinese = desk("queue", lang="zh")
    assert "2–9 小时" in chinese.out
    assert "名次" in chinese.out


def test_a_share_of_a_device_is_shown_as_what_it_is(desk):
    desk.office.says(QUEUE, page(item(devices=1, devices_milli=250, substitutes=[])))
    assert "0.25 × ascend910b" in desk("queue").out
    desk.office.says(ONE, {"devices": 1, "devices_milli": 5, "replicas": 2, "chip": "cpu"})
    assert "2 × 0.005 × cpu" in desk("workloads", WORKLOAD).out


def test_programs_get_the_queue_as_the_server_said_it(desk):
    desk.office.says(QUEUE, page(item(), item(rank=4), item(rank=5)))
    found = desk("--json", "queue", "--limit", "2").json
    assert [each["rank"] for each in found["items"]] == [3, 4]
    assert found["more"] is True
    assert found["items"][0]["why"]["code"] == "compute.waiting_capacity"


def test_a_reason_nobody_has_a_word_for_is_named_as_it_is(desk):
    strange = {"code": "compute.waiting_new_thing", "message": "m", "params": {}}
    desk.office.says(QUEUE, page(item(why=strange), item(why=None)))
    first, second = desk("queue").out.splitlines()[1:]
    assert first.endswith("waiting_new_thing")
    assert second.split()[-1] == "h"


def test_an_empty_queue_and_one_longer_than_the_limit_say_so(desk):
    desk.office.says(QUEUE, page())
    assert "Nothing yet" in desk("queue").out
    desk.office.says(QUEUE, page(*[item(rank=number) for number in range(1, 5)]))
    said = desk("queue", "--limit", "3")
    assert len(said.out.splitlines()) == 4
    assert "3" in said.err


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("organisations", [1, 2])
def test_the_table_fits_a_terminal_of_eighty_columns(desk, monkeypatch, language, organisations):
    whose = [f"org_{number}v1k0e5m2q9xj4c8t3r6w0h1ab" for number in range(organisations)]
    rows = [
        item(
            rank=99_998 + number,
            organisation=whose[number % organisations],
            chip="cambricon-mlu370-x8",
            why={"code": "compute.waiting_maintenance", "message": "m", "params": {}},
        )
        for number in range(3)
    ]
    desk.office.says(QUEUE, page(*rows))
    printed = Screen()
    monkeypatch.setattr(sys, "stdout", printed)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    desk("queue", lang=language)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printed.getvalue()).splitlines()
    assert max(map(width, lines)) <= 80
    assert sum(WORKLOAD in line for line in lines) == 3
    shown = [name for name in whose if any(name in line for line in lines)]
    assert shown == (whose if organisations == 2 else [])


def test_what_is_piped_has_one_line_for_each_workload_also_of_many_organisations(desk):
    desk.office.says(QUEUE, page(item(), item(rank=4, organisation="org_" + "2" * 26)))
    lines = desk("queue").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["3", "4"]
    assert lines[1].split()[1:3] == [WORKLOAD, "org_" + "2" * 26]


def test_what_was_looked_at_a_while_ago_says_so_and_what_is_fresh_does_not(desk):
    now = datetime.now(UTC)
    old, fresh = ((now - timedelta(seconds=ago)).isoformat() for ago in (40, 0))
    desk.office.says(QUEUE, page(item(as_of=fresh)))
    assert "looked at" not in desk("queue").err
    desk.office.says(QUEUE, page(item(as_of=old)))
    said = desk("queue")
    assert f"{old[:10]} {old[11:19]}Z" in said.err
    assert "looked at" not in said.out
    desk.office.says(WHY, {**document.example(Waiting), "as_of": old})
    assert f"{old[:10]} {old[11:19]}Z" in desk("why", WORKLOAD).out


def test_watching_shows_it_again_until_it_is_interrupted(desk, monkeypatch):
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(queueing.time, "sleep", pause)
    desk.office.says(QUEUE, page(item()))
    said = desk("queue", "--watch")
    assert said.code == 130
    assert said.out.count(WORKLOAD) == 2
    assert desk.office.lines == ["GET /v1/queue"] * 2
    assert "Traceback" not in said.err
    pauses.clear()
    assert desk("--json", "queue", "--watch").code == 0  # once: a program asks again itself


@given(st.integers(-10, 10**8), st.integers(0, 10**8))
def test_a_span_contains_what_it_stands_for_and_is_short(early, length):
    session = Session("en", None, as_json=False)
    said = queueing._span(session, early, early + length)
    count, unit = said.split()
    seconds = {"min": 60, "h": 3_600, "d": 86_400}[unit]
    ends = [int(each) for each in count.split("–")]
    assert ends[0] * seconds <= max(early, 0)
    assert max(early + length, 0) <= (ends[-1] + (length == 0)) * seconds
    assert len(said) <= 16


def test_why_is_told_in_sentences_with_the_changes_as_a_list(desk):
    desk.office.says(WHY, {"as_of": datetime.now(UTC).isoformat()})  # or it is old some day
    said = desk("why", WORKLOAD)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("Waiting for devices: 8 are needed")
    assert lines[1] == "Rank 3 of 12 that wait."
    assert "2027-02-20 11:30:00Z and 2027-02-20 21:30:00Z" in lines[2]
    assert "  - your city: place 2 of 3; it had more than its share of late" in lines
    assert sum(line.startswith("  - ") for line in lines) == 3
    assert lines[-1] == "It is placed by itself once others have ended."
    assert all(HAN.search(desk("why", WORKLOAD, lang="zh").out) for _ in range(1))
    assert desk("--json", "why", WORKLOAD).json["rank"] == 3
    assert desk.office.lines == [f"GET /v1/workloads/{WORKLOAD}/why"] * 3


NOTHING = {
    "why": None,
    "do": "",
    "together": [],
    "alternatives": [],
    "sooner": [],
    "notes": [],
}
SENTENCES = [
    ({"early_at": None, "late_at": None}, "not within sight"),
    ({"late_at": None}, "at the earliest; the latest is not within sight"),
    ({**NOTHING, "rank": 0}, "next pass"),
    ({**NOTHING, "state": "running", "rank": None, "of": None}, "its state: running"),
    ({**NOTHING, "state": "placed", "rank": None, "of": None}, "YUNHE_WORKER_SLOTS jobs at a time"),
]


@pytest.mark.parametrize(("changed", "word"), SENTENCES)
def test_what_is_not_known_or_not_so_is_said(desk, changed, word):
    desk.office.says(WHY, changed)
    said = desk("why", WORKLOAD)
    assert said.code == 0
    assert word in said.out
    assert "None" not in said.out


def test_what_others_wrote_does_not_steer_the_terminal(desk):
    evil = {"code": "compute.x", "message": "red \x1b[31m\nnext", "params": {}}
    desk.office.says(WHY, {"why": evil, "do": "do\x07", "together": [evil]})
    said = desk("why", WORKLOAD)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", said.out)


def missing(code="compute.log_missing"):
    return httpx.Response(404, json=fault("not_found", code))


def test_the_kept_end_of_a_log_is_printed_and_said_to_be_that(desk):
    desk.office.says(LOGS, httpx.Response(200, content=b"eins\n\x1b[2Jzwei\n"))
    said = desk("logs", WORKLOAD)
    assert said.code == 0
    assert said.out == "eins\n [2Jzwei\n"
    assert "kept when it ended" in said.err
    found = desk("--json", "logs", WORKLOAD).json
    assert found == {"workload": WORKLOAD, "state": "settled", "log": "eins\n\x1b[2Jzwei\n"}
    assert HAN.search(desk("logs", WORKLOAD, lang="zh").err)


def test_a_log_of_what_has_not_ended_is_said_not_to_be_kept_yet(desk):
    desk.office.says(ONE, {"state": "running"})
    for language, word in (("en", "--follow"), ("zh", "尚未结束")):
        said = desk("logs", WORKLOAD, lang=language)
        assert said.code == NotFound.exit_code
        assert word in said.err
    assert f"GET /v1/workloads/{WORKLOAD}/log" not in desk.office.lines
    assert desk("--json", "logs", WORKLOAD).json["code"] == "cli.logs_not_yet"


@pytest.mark.parametrize(("end", "code"), [("settled", 0), ("failed", 1), ("cancelled", 1)])
def test_following_ends_when_the_workload_ends(desk, end, code):
    desk.office.says(ONE, {"state": "placed"}, {"state": "running"}, {"state": end})
    said = desk("logs", WORKLOAD, "--follow")
    assert said.code == code
    assert said.out == "bytes of a file\n"
    assert [word for word in said.err.split() if word in ("placed", "running", end)] == [
        "placed", "running", end,
    ]  # fmt: skip
    assert desk.office.lines[-1] == f"GET /v1/workloads/{WORKLOAD}/log"
    desk.office.says(ONE, {"state": end})
    told = desk("--json", "logs", WORKLOAD, "--follow")
    assert (told.code, told.json["state"]) == (code, end)
    assert json.loads(told.err) == {"event": end}


def test_what_ended_without_running_has_no_log(desk):
    desk.office.says(ONE, {"state": "cancelled"})
    desk.office.says(LOGS, missing())
    assert desk("logs", WORKLOAD, "--follow").code == NotFound.exit_code


def test_following_is_left_with_ctrl_c(desk, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("yunhe.client.floors.compute.Compute.wait", interrupted)
    said = desk("logs", WORKLOAD, "--follow")
    assert (said.code, said.out) == (130, "")
    assert "Interrupted" in said.err


def test_a_real_server_is_asked_why_and_what_was_printed(tmp_path, capsys, monkeypatch):
    with server(tmp_path / "home") as running:
        operator, tenant = people(tmp_path, capsys, monkeypatch, running)
        supplied(running, operator, tenant)
        spec = tmp_path / "job.yaml"
        spec.write_text(SPEC.format(name=TRIAL), "utf-8")
        first, second = (tenant.json("submit", str(spec))["id"] for _ in range(2))
        [row] = tenant.json("queue")["items"]
        assert (row["workload"], row["rank"]) == (second, 1)
        assert second in operator("queue").out
        why = tenant("why", second)
        assert (why.code, "Rank 1 of 1" in why.out) == (0, True)
        assert tenant("why", first).out.startswith("It does not wait")
        assert tenant("logs", first).code == NotFound.exit_code
        provider = LocalProvider(tmp_path / "w", {TRIAL: TRIAL_ENTRY_POINT})
        worker = Worker(running._platform, slots=1, duties=(), provider=provider)
        worker.start()
        try:
            followed = tenant("logs", first, "--follow")
            done = tenant("--json", "logs", second, "--follow")
        finally:
            worker.stop(10)
        assert followed.code == (0 if "settled" in followed.err else 1)
        assert done.json["log"] == tenant.json("logs", second)["log"]
        assert tenant.json("queue")["items"] == []


OFFERS = {
    "alternatives": [
        {
            "code": "compute.change_replicas",
            "message": "ask for at most 2 replicas",
            "params": {},
        }
    ],
    "sooner": [
        {"code": "compute.change_sooner", "message": "ask for it with `devices=4`", "params": {}}
    ],
    "notes": [{"code": "compute.untried_many", "message": "90000 are considered", "params": {}}],
}


@pytest.mark.parametrize(
    ("language", "heads"),
    [
        ("en", ["also be admitted now", "start sooner, or in time", "Of this answer"]),
        ("zh", ["现在也可安排", "更早或按时开始", "关于本答复"]),
    ],
)
def test_what_would_help_later_and_what_was_not_tried_have_headings(desk, language, heads):
    desk.office.says(WHY, OFFERS)
    lines = desk("why", WORKLOAD, lang=language).out.splitlines()
    for head, told in zip(heads, OFFERS.values(), strict=True):
        at = next(number for number, line in enumerate(lines) if head in line)
        assert lines[at + 1] == f"  - {told[0]['message']}"
