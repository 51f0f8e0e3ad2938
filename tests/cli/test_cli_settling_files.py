"""Files that settlement writes and reads on the command line: whole or not at all, by name."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from remote_desk import people, server

from yunhe.cli import settling
from yunhe.compute.statements import importing

LINE = {
    "workload": "workload_nobody",
    "device_seconds": "1",
    "price_per_device_hour": "1",
    "currency": "CNY",
    "amount": "12.30",
    "ended_at": "2026-01-02T00:00:00Z",
}


@pytest.fixture
def both(tmp_path, capsys, monkeypatch):
    with server(tmp_path / "home") as running:
        yield people(tmp_path, capsys, monkeypatch, running)


class Shown:
    """Stands for a session."""

    language = "en"

    def __init__(self) -> None:
        self.answers: list[dict[str, object]] = []

    def say(self, code: str, **given: object) -> str:
        return f"{code} {given}"

    def answer(self, found: dict[str, object], _shown: str) -> None:
        self.answers.append(found)


def test_a_file_is_replaced_whole_and_nothing_lies_beside_it(tmp_path):
    target, session = tmp_path / "focus.csv", Shown()
    target.write_bytes(b"the month before")
    settling._save(session, target, b"this month")
    assert target.read_bytes() == b"this month"
    assert list(tmp_path.iterdir()) == [target]
    assert session.answers == [{"path": str(target), "bytes": 10}]


def test_a_full_disk_leaves_the_old_file_as_it_was_and_says_why(tmp_path, monkeypatch):
    target, session = tmp_path / "focus.csv", Shown()
    target.write_bytes(b"the month before")
    real = type(target).write_bytes

    def full(path, body):
        real(path, body[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(target), "write_bytes", full)
    with pytest.raises(settling.Unavailable) as caught:
        settling._save(session, target, b"this month")
    assert caught.value.code == "cli.not_written"
    assert "No space left" in caught.value.message("en")
    assert target.read_bytes() == b"the month before"
    assert list(tmp_path.iterdir()) == [target]
    assert session.answers == []


def test_a_place_that_is_not_there_is_told_in_both_languages_without_a_trace(both, tmp_path):
    operator, tenant = both
    nowhere = tmp_path / "no" / "such" / "folder" / "focus.csv"
    for language, word in (("en", "cannot be written"), ("zh", "写")):
        said = tenant("usage", "--to", str(nowhere), lang=language)
        assert said.code != 0
        assert word in said.out + said.err
        assert "Traceback" not in said.out + said.err

    target = tmp_path / "FOCUS.PARQUET"
    assert tenant.json("usage", "--to", str(target))["path"] == str(target)
    assert target.read_bytes()[:4] == b"PAR1"

    provider = operator.json("whoami")["organisation"]["id"]
    given = ("--provider", provider, "--period", "2026-01")
    file = tmp_path / "SAID.JSON"
    file.write_text(json.dumps({"lines": [LINE]}))
    found = operator("--json", "statement", "hand-in", str(file), *given)
    assert (found.code, [each["kind"] for each in found.json["mismatches"]]) == (
        1,
        ["unknown_job"],
    )
    file = tmp_path / "said.csv"
    file.write_bytes(importing.written([LINE | {"workload": "\x1b[2Jworkload", "amount": "1.5"}]))
    shown = operator("statement", "hand-in", str(file), *given)
    assert shown.code == 1
    assert "\x1b[2J" not in shown.out
    file.write_bytes(importing.written([LINE | {"amount": "1_000"}, LINE | {"amount": "1,5"}]))
    for language in ("en", "zh"):
        wrong = operator("statement", "hand-in", str(file), *given, lang=language)
        assert wrong.code not in (0, 1)
        assert "1_000" in wrong.out + wrong.err
        assert "1,5" in wrong.out + wrong.err
    for month in ("2026-13", "2026-1", "2٠٢٦-01"):
        assert operator("statement", "close", month).code != 0
        assert tenant("usage", "--period", month).code != 0
    assert operator.json("statement", "close", "2025-01")["invoices"] == 0


def test_device_times_that_look_alike_in_hours_are_told_in_seconds():
    told = settling._two("device_ms")
    assert told(5_038, SimpleNamespace(found=10_076)) == "5.038 s → 10.076 s"
    assert told(7_200_000, SimpleNamespace(found=3_600_000)) == "2.00 h → 1.00 h"


def test_what_was_given_back_has_no_negative_zero_of_use():
    assert settling._percent(0, -30_042) == "0.0 %"
    assert settling._percent(-15_021, -30_042) == "50.0 %"
