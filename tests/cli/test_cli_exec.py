"""`yunhe exec` and what it makes of a terminal: against a desk that says what a test wants."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import threading
from types import SimpleNamespace

import httpx
import pytest

from yunhe.cli import executing, terminal
from yunhe.cli.live_desks import Place, Said
from yunhe.cli.session import Session
from yunhe.kernel.errors import Conflict
from yunhe.kernel.language import text

RUN, STREAM = "POST /v1/workloads/{workload}/execs", "GET /v1/execs/{exec}/stream"
WORK = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"


def stream(*events: tuple[str, dict]) -> httpx.Response:
    """What a server says of a command's output."""
    said = "".join(
        f"id: {number}\nevent: {name}\ndata: {json.dumps(body)}\n\n"
        for number, (name, body) in enumerate(events, 1)
    )
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=said.encode())


def printed(data: bytes) -> dict[str, str]:
    return {"data": base64.b64encode(data).decode()}


class Spoken:
    """A desk that says a list and hears what is typed."""

    def __init__(self, *said: Said | type[BaseException]) -> None:
        self.said = said
        self.typed: list[tuple[int, bytes, dict[str, int]]] = []
        self.after = -1
        self.ended = 0
        self.closed = threading.Event()

    def place(self, exec_id: str) -> Place:
        return Place(70, 4)

    def output(self, exec_id: str, *, after: int = 0):
        self.after = after
        for each in self.said:
            if not isinstance(each, Said):
                raise each
            yield each

    def type_in(self, exec_id: str, seq: int, data: bytes, **over: int) -> None:
        self.typed.append((seq, data, over))
        if over.get("eof"):
            self.closed.set()

    def end(self, exec_id: str) -> None:
        self.ended += 1


def followed(found: Spoken, *, as_json: bool = False, **over) -> int:
    session = Session("en", None, as_json=as_json)
    return executing.follow(session, found, "exec_1", **{"typed": False, "tty": False, **over})


@pytest.mark.parametrize("status", [0, 1, 127, 137, 255])
def test_a_commands_status_is_ours_and_its_bytes_go_where_they_went(desk, status):
    desk.office.says(STREAM, stream(("stdout", printed(b"out\n")), ("stderr", printed(b"err\n")),
                                    ("done", {"status": status})))  # fmt: skip
    said = desk("exec", WORK, "--", "ls", "-l", "--help")
    assert (said.code, said.out, said.err) == (status, "out\n", "err\n")
    asked, closed = desk.office.asked[:2]
    assert asked.body["command"] == ["ls", "-l", "--help"]
    assert (asked.body["tty"], asked.body["closes"]) == (False, False)
    assert (closed.line.endswith("/input"), closed.body["eof"], closed.body["seq"]) == (
        True,
        True,
        1,
    )


def test_options_of_the_command_are_its_own_even_without_dashes(desk):
    desk.office.says(STREAM, stream(("done", {"status": 0})))
    assert desk("exec", WORK, "sh", "--attach", "-t", "--", "x").code == 0
    assert desk.office.asked[0].body["command"] == ["sh", "--attach", "-t", "--", "x"]


def test_for_a_program_each_piece_is_a_line_and_the_end_another(desk):
    desk.office.says(STREAM, stream(("stdout", printed(b"\xff\x00")), ("done", {"status": 3})))
    said = desk("--json", "exec", WORK, "--", "cat")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 3
    assert lines[0] == {"stream": "stdout", "data": "/wA="}
    assert lines[1]["status"] == 3
    assert len(lines) == 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_is_left_out_is_said_beside_the_output(desk, lang):
    desk.office.says(STREAM, stream(("gap", {"left_out": 4_096}), ("stdout", printed(b"rest")),
                                    ("done", {"status": 0})))  # fmt: skip
    said = desk("exec", WORK, "--", "cat", lang=lang)
    assert said.out == "rest"
    assert text("cli.logs.gap", lang, bytes=4_096) in said.err


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("why", ["compute.exec_ended_with_work", None])
def test_a_command_that_was_broken_off_is_told_with_its_reason(desk, lang, why):
    desk.office.says(STREAM, stream(("done", {"status": None, "why": why})))
    said = desk("exec", WORK, "--", "cat", lang=lang)
    assert (said.code, said.out) == (75, "")
    assert text("compute.exec_ended_with_work", lang) in said.err
    told = desk("--json", "exec", WORK, "--", "cat", lang=lang)
    assert told.json["code"] == "compute.exec_ended_with_work"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("line", [(WORK,), (WORK, "--")])
def test_without_a_command_nothing_is_asked(desk, lang, line):
    refused = desk("exec", *line, lang=lang)
    assert refused.code == 2
    assert text("cli.exec.needs_command", lang) in refused.err
    assert desk.office.asked == []


@pytest.mark.parametrize(
    "line",
    [("exec", "-t", WORK, "sh"), ("exec", "--attach", "exec_1", WORK), ("develop",)],
    ids=" ".join,
)
def test_a_terminal_that_is_none_is_refused_before_anything_is_asked(desk, monkeypatch, line):
    code = f"cli.{line[0]}_no_terminal"
    for said in (desk(*line, typed="x"), desk("--json", *line, typed="x")):
        assert said.code == 65
        assert code in said.out or text(code, "en") in said.err
        assert line[0] == "exec" or "-t" not in said.err.replace("--", "").split()
    assert desk.office.asked == []


def test_a_session_that_nobody_waits_in_needs_no_terminal(desk):
    desk.office.says("GET /v1/workloads/{workload}", {"state": "running"})
    line = ("develop", "--detach", "--chip", "h20", "--devices", "2", "--hours", "3")
    said = desk(*line)
    assert said.code == 0, said.err
    assert desk.office.lines[0] == "POST /v1/workloads"
    asked = desk.office.asked[0].body
    assert (asked["entry_point"], asked["chip"], asked["devices"]) == ("session", "h20", 2)
    assert asked["wall_seconds_max"] == asked["cpu_seconds_max"] == 3 * 3_600
    assert said.out.strip().startswith("workload_")
    assert desk("--json", *line).json["state"] == "running"
    assert not any("execs" in each for each in desk.office.lines)


@pytest.mark.parametrize("line", [("--hours", "0"), ("--hours", "721"), ("--devices", "0")])
def test_a_session_beyond_bounds_is_a_mistake_of_use(desk, line):
    assert desk("develop", "--detach", *line).code == 2
    assert desk.office.asked == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_session_that_ended_before_it_began_is_told(desk, lang):
    desk.office.says("GET /v1/workloads/{workload}", {"state": "failed"})
    said = desk("--json", "develop", "--detach", lang=lang)
    assert (said.code, said.json["code"]) == (75, "cli.develop_ended")
    assert said.json["message"] == text("cli.develop_ended", lang, **said.json["params"])


def test_ctrl_c_ends_the_command_and_is_told_as_shells_do():
    found = Spoken(Said("stdout", b""), KeyboardInterrupt)
    assert followed(found) == executing.INTERRUPTED == 130
    assert found.ended == 1
    assert found.typed == [(1, b"", {"eof": 1})]


def test_output_that_just_stops_is_no_success():
    with pytest.raises(Conflict) as refused:
        followed(Spoken(Said("stdout", b"")))
    assert refused.value.code == "compute.exec_ended_with_work"


class Pipe:
    """Standard input of ours that a test writes to."""

    def __init__(self, monkeypatch, data: bytes) -> None:
        self.read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: self.read))


@pytest.mark.parametrize(
    ("attach", "after", "first"), [("", 0, 1), ("exec_1", 70, 5)], ids=["new", "left"]
)
def test_what_is_piped_in_is_numbered_on_from_where_it_was(monkeypatch, attach, after, first):
    Pipe(monkeypatch, b"two\nlines\n")
    found = Spoken()

    def output(exec_id: str, *, after: int = 0):
        found.after = after
        assert found.closed.wait(30)
        yield Said("done", status=0)

    found.output = output
    assert followed(found, typed=True, attach=attach) == 0
    assert found.after == after
    assert found.typed == [(first, b"two\nlines\n", {}), (first + 1, b"", {"eof": 1})]


class Tty(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_steering_letters_are_taken_out_and_split_letters_put_together(monkeypatch):
    screen = Tty()
    monkeypatch.setattr(sys, "stdout", screen)
    shown = terminal.Shown(raw=False)
    hanzi = "云".encode()
    for piece in (b"a\x1b[2Jb\tc\n", hanzi[:1], hanzi[1:], b"\x07\x9b\xff\r\x7f"):
        shown.show(Said("stdout", piece))
    assert screen.getvalue().startswith("a [2Jb\tc\n云")
    assert not set(screen.getvalue()) & set("\x1b\x07\x9b\r\x7f")
    assert "\ufffd" in screen.getvalue()


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_file_gets_every_byte_as_it_came(monkeypatch, name):
    kept = io.BytesIO()
    stream_ = io.TextIOWrapper(kept, "utf-8")
    monkeypatch.setattr(sys, name, stream_)
    stream_.write("before ")
    terminal.Shown(raw=False).show(Said(name, b"\x1b[2J\xff\r\n"))
    assert kept.getvalue() == b"before \x1b[2J\xff\r\n"


@pytest.mark.parametrize(
    ("size", "sides"),
    [((80, 24), (24, 80)), ((5_000, 9_999), (1_000, 1_000)), ((0, 0), (1, 1))],
    ids=str,
)
def test_a_terminal_of_any_size_is_asked_for_within_bounds(monkeypatch, size, sides):
    monkeypatch.setattr(
        executing.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size(size)
    )
    wanted = executing.wanted_of(("sh",), tty=True, closes=True)
    assert (wanted.rows, wanted.columns) == sides
    assert (wanted.command, wanted.tty, wanted.closes) == (("sh",), True, True)
