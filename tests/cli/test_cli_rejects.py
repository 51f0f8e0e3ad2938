"""`yunhe rejects`: raw text goes to its owner alone, and goes away in time."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from office import run

from yunhe.corpus import cleaning
from yunhe.corpus.cleaning import Asked
from yunhe.corpus.domain import Columns
from yunhe.kernel.language import text

RAW = "咨询电话13800138000，一九四九"
COPY = "这家店的味道不错，下次还会再来，推荐大家都来尝一尝。\x1b[31m"


class Quiet:
    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        assert what


def kept(folder: Path, name: str, until: date) -> Path:
    source = folder / "in.jsonl"
    rows = [{"id": "a", "text": COPY}, {"id": "b", "text": COPY}, {"id": "c", "text": ""}]
    source.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": "d", "text": RAW}]))
    asked = Asked(
        (str(source),), None, Columns("text", id="id"), "zh-short", folder / name,
        rejects=(folder / "key", until),
    )  # fmt: skip
    cleaning.cleanse(asked, cleaning.found(asked), progress=Quiet())
    return asked.out


@pytest.fixture
def here(tmp_path: Path, capsys: Any, monkeypatch: Any) -> Path:
    monkeypatch.chdir(tmp_path)
    made = run(capsys, monkeypatch, "rejects", "new-key", "key")
    assert made.code == 0
    assert "key" in made.out
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert run(capsys, monkeypatch, "rejects", "new-key", "key").code == 73
    return tmp_path


def test_a_terminal_shows_the_text_and_nothing_else_does(
    here: Path, capsys: Any, monkeypatch: Any
) -> None:
    kept(here, "OUT", date(2099, 1, 1))
    hidden = run(capsys, monkeypatch, "rejects", "read", "OUT", "--key", "key")
    assert hidden.code == 0
    assert "味道" not in hidden.out + hidden.err
    assert text("cli.rejects.counted", "en", count=2) in hidden.out
    assert text("cli.rejects.hidden", "en") in hidden.err
    told = run(capsys, monkeypatch, "--json", "rejects", "read", "OUT", "--key", "key")
    rows = json.loads(told.out)["documents"]
    assert [(row["document"], row["step"]) for row in rows] == [
        ("b", "duplicates"), ("c", "length"),
    ]  # fmt: skip
    assert not any("text" in row for row in rows)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    shown = run(capsys, monkeypatch, "rejects", "read", "OUT", "--key", "key", "--document", "b")
    assert "味道" in shown.out
    assert "\x1b[31m" not in shown.out
    assert "2099-01-01" in shown.err
    assert text("cli.rejects.counted", "en", count=1) in shown.out


def test_a_file_gets_them_for_its_owner_alone(here: Path, capsys: Any, monkeypatch: Any) -> None:
    kept(here, "OUT", date(2099, 1, 1))
    arguments = ("rejects", "read", "OUT", "--key", "key", "--to", "raw.jsonl")
    done = run(capsys, monkeypatch, "--json", *arguments, "--limit", "1")
    assert json.loads(done.out)["documents"] == 1
    assert "味道" not in done.out + done.err
    assert (here / "raw.jsonl").stat().st_mode & 0o777 == 0o600
    assert json.loads((here / "raw.jsonl").read_text())["text"] == COPY
    assert run(capsys, monkeypatch, *arguments).code == 73
    more = run(capsys, monkeypatch, *arguments[:-1], "b.jsonl", "--reason", "duplicate")
    assert more.code == 0
    assert text("cli.rejects.written", "en", count=1, path="b.jsonl") in more.out


def test_after_their_day_they_are_refused_and_a_timer_deletes_them(
    here: Path, capsys: Any, monkeypatch: Any
) -> None:
    old, young = kept(here, "OLD", date(2026, 1, 1)), kept(here, "YOUNG", date(2099, 1, 1))
    late = run(capsys, monkeypatch, "rejects", "read", "OLD", "--key", "key")
    assert late.code == 77
    assert "2026-01-01" in late.err
    dry = run(capsys, monkeypatch, "rejects", "delete", "OLD", "YOUNG", "--dry-run")
    assert dry.code == 0
    assert "OLD" in dry.out
    assert "YOUNG" not in dry.out
    assert (old / "rejects").exists()
    done = run(capsys, monkeypatch, "--json", "rejects", "delete", "OLD", "YOUNG")
    [told] = json.loads(done.out)["deleted"]
    assert (told["folder"], told["files"], told["unfinished"]) == ("OLD", 1, False)
    assert not (old / "rejects").exists()
    assert (young / "rejects").exists()
    again = run(capsys, monkeypatch, "rejects", "delete", "OLD", "YOUNG")
    assert text("cli.rejects.nothing", "en") in again.out
    both = run(capsys, monkeypatch, "rejects", "delete", "NOTHING", "YOUNG", "--early")
    assert both.code == 66  # and the other is done all the same
    assert not (young / "rejects").exists()
    gone = run(capsys, monkeypatch, "rejects", "read", "YOUNG", "--key", "key")
    assert gone.code == 66
    assert run(capsys, monkeypatch, "rejects", "delete", "NOTHING").code == 66


def test_the_key_and_the_output_must_be_named(here: Path, capsys: Any, monkeypatch: Any) -> None:
    assert run(capsys, monkeypatch, "rejects", "read", "OUT").code == 2
    assert run(capsys, monkeypatch, "rejects", "delete").code == 2
    assert run(capsys, monkeypatch, "rejects", "read", str(here), "--key", "key").code == 66
    assert run(capsys, monkeypatch, "rejects", "read", str(here), "--key", "none").code == 66
