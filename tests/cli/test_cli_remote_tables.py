"""Tables of the command line: ids can be copied, whatever they are printed on."""

from __future__ import annotations

import io
import json
import re
import sys

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from yunhe.cli import logins, people, remote
from yunhe.cli.help import width
from yunhe.cli.session import Session
from yunhe.client.wire.credentials import Key
from yunhe.kernel.clock import DAY_US, SystemClock, iso
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id

DIGEST = "sha256:" + "9f86d081884c7d65" * 4
IDS = [
    derived_id("mem", "shown"),
    derived_id("operation", "shown"),
    derived_id("organisation", "shown"),
    DIGEST,
    "a" * 64,
]


class Screen(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Item(BaseModel):
    id: str
    name: str = "somebody whose name is longer than the narrow terminal that shows it"


def printed_on(place, monkeypatch, columns: int) -> io.StringIO:
    """Standard output, as wide as ``columns`` letters where it is a terminal.

    Not a fixture: pytest puts its own output in place between setting up and the test.
    """
    found = Screen() if place == "terminal" else io.StringIO()
    monkeypatch.setattr(sys, "stdout", found)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    return found


def lines_of(printed: io.StringIO) -> list[str]:
    return [
        each.rstrip() for each in re.sub(r"\x1b\[[0-9;]*m", "", printed.getvalue()).splitlines()
    ]


def session(language="en", *, as_json: bool = False) -> Session:
    return Session(language, None, as_json)


@pytest.mark.parametrize("place", ["terminal", "pipe"])
@pytest.mark.parametrize("id_", IDS)
def test_an_id_is_never_broken_in_a_list(place, id_, monkeypatch):
    printed = printed_on(place, monkeypatch, 40)
    columns = ("subject", "name", "message")
    rows = [(id_, "x" * 60, "two words " * 9), ("short", "y", "z")]
    session().answer({}, remote.table(session(), columns, rows))
    assert any(id_ in line for line in lines_of(printed))


@pytest.mark.parametrize("place", ["terminal", "pipe"])
@pytest.mark.parametrize("id_", IDS)
def test_an_id_is_never_broken_where_one_thing_is_shown(place, id_, monkeypatch):
    printed = printed_on(place, monkeypatch, 40)
    fields = {"operation": id_, "why": "two words " * 20, "reference": ""}
    remote.show_one(session(), Item(id=id_), fields)
    lines = lines_of(printed)
    assert any(line.endswith(id_) for line in lines)
    assert not any("Reference" in line for line in lines)  # what is empty is left out


def test_what_is_piped_has_one_line_for_each_thing(monkeypatch):
    printed = printed_on("pipe", monkeypatch, 40)
    rows = [(derived_id("mem", "shown"), "n" * 300, "two words " * 90) for _ in range(5)]
    session().answer({}, remote.table(session(), ("member", "name", "message"), rows))
    lines = lines_of(printed)
    assert len(lines) == 6
    for line, (member, name, message) in zip(lines[1:], rows, strict=True):
        assert line.split(maxsplit=2) == [member, name, message.strip()]


def test_on_a_terminal_other_words_are_folded_within_its_width(monkeypatch):
    printed = printed_on("terminal", monkeypatch, 60)
    rows = [(derived_id("mem", "shown"), "云河" * 30, "two words " * 9)]
    session().answer({}, remote.table(session(), ("member", "name", "message"), rows))
    lines = lines_of(printed)
    assert max(map(width, lines)) <= 60
    assert len(lines) > 3
    assert sum(line.count("云") for line in lines) == 30  # folded, not cut


@pytest.mark.parametrize(("there", "limit", "more"), [(0, 3, False), (3, 3, False), (4, 3, True)])
def test_a_list_says_when_there_is_more(capsys, there, limit, more):
    items = [Item(id=derived_id("mem", str(n))) for n in range(there)]
    given = {
        "limit": limit,
        "columns": ("member", "name"),
        "row": lambda each: (each.id, each.name),
    }
    remote.show_list(session(as_json=True), iter(items), **given)
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"items": [each.model_dump() for each in items[:limit]], "more": more}
    remote.show_list(session(), iter(items), **given)
    out, err = capsys.readouterr()
    assert [each.id in out for each in items] == [True] * min(there, limit) + [False] * more
    assert bool(err) is more
    assert bool(out) is True  # an empty list is said to be empty


def test_a_list_reads_no_more_than_it_shows():
    def endless():
        yield from (Item(id=str(number)) for number in range(3))
        raise AssertionError("asked for more than one beyond the limit")

    given = {"limit": 2, "columns": ("member",), "row": lambda each: (each.id,)}
    remote.show_list(session(as_json=True), endless(), **given)


@given(st.text())
def test_nothing_that_is_printed_steers_a_terminal(value):
    shown = remote.plain(value)
    assert len(shown) == len(value)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)
    assert remote.plain(shown) == shown


def test_names_are_no_markup():
    assert remote.cell("[red]x[/red]\x1b[31m").plain == "[red]x[/red] [31m"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (None, ""),
        ("2026-11-22T08:09:10.123456Z", "2026-11-22 08:09:10Z"),
        ("2026-11-22T08:09:10Z", "2026-11-22 08:09:10Z"),
    ],
)
def test_a_time_is_told_to_the_second(at, said):
    assert remote.moment(at) == said


def test_a_state_is_told_in_words_and_an_unknown_one_as_it_is():
    assert remote.state(session("zh"), "running") == "运行中"
    assert remote.state(session("en"), "running") == "running"
    assert remote.state(session("zh"), "dreaming") == "dreaming"


def test_an_option_of_the_group_holds_for_its_commands_unless_they_say_otherwise():
    seen = []

    @click.group(invoke_without_command=True)
    @click.option("--server")
    def group(server):
        pass

    @group.command()
    @click.option("--server")
    def command(server):
        seen.append((remote.given("server"), remote.given("nothing")))

    for line in (["--server", "a", "command"], ["command", "--server", "b"],
                 ["--server", "a", "command", "--server", "b"], ["command"]):  # fmt: skip
        group.main(line, standalone_mode=False)
    assert seen == [("a", None), ("b", None), ("b", None), (None, None)]


@pytest.mark.parametrize(
    ("revoked", "days", "en", "zh"),
    [
        (False, None, "live", "有效"),
        (False, 3, "live", "有效"),
        (False, -1, "expired", "已过期"),
        (True, 3, "revoked", "已吊销"),
        (True, -1, "revoked", "已吊销"),
    ],
)
def test_the_state_of_a_key_is_always_told(revoked, days, en, zh):
    now_us = SystemClock().now_us()
    changed = {
        "expires_at": None if days is None else iso(now_us + days * DAY_US),
        "revoked_at": iso(now_us - DAY_US) if revoked else None,
    }
    key = Key.model_validate({**Key.model_config["json_schema_extra"]["example"], **changed})
    for language, word in (("en", en), ("zh", zh)):
        assert people._key(session(language), key)[-1] == word


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_passphrase_that_others_can_read_is_refused_with_the_way_out(tmp_path, mode):
    path = tmp_path / "passphrase.txt"
    path.write_bytes(b"correct horse battery\n")
    path.chmod(mode)
    with pytest.raises(NotAllowed) as refused:
        logins.passphrase(path)
    assert refused.value.code == "cli.passphrase_open"
    for language in ("en", "zh"):
        told = refused.value.message(language)
        assert f"chmod 600 {path}" in told
        assert "horse" not in told


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"a b \n", b"a b "),
        (b"a\r\n", b"a"),
        (b"\xff\xfe\x00", b"\xff\xfe\x00"),
        (b"a\nb", b"a\nb"),
    ],
)
def test_a_passphrase_is_what_the_file_says_without_the_end_of_its_line(tmp_path, written, meant):
    path = tmp_path / "passphrase.txt"
    path.write_bytes(written)
    path.chmod(0o600)
    assert logins.passphrase(path) == meant


def test_a_passphrase_is_in_a_file(tmp_path):
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(NotFound):
            logins.passphrase(path)
    with pytest.raises((Invalid, NotAllowed)):
        logins.passphrase(type(tmp_path)("/dev/null"))
