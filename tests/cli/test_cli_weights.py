"""What parts of the fair share weigh, and the journal of live passes, on the command line."""

from __future__ import annotations

import json
import shlex

import pytest

from yunhe.api import document
from yunhe.app import open_platform
from yunhe.cli.main import main
from yunhe.client.wire.queue import Weight
from yunhe.settings import from_environment

LIST, SAY = "GET /v1/weights", "PUT /v1/weights"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs a command that needs no server; returns (exit code, what it printed, what it said)."""
    monkeypatch.chdir(tmp_path)

    def call(line: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(line))
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return call


def test_weights_are_a_table_and_for_programs_what_the_server_said(desk):
    one = document.example(Weight)
    desk.office.says(LIST, {"items": [one], "next": None})
    shown = desk("weights")
    assert shown.code == 0, shown.err
    assert shown.out.splitlines()[-1].split() == ["sme", one["organisation"], "3"]
    assert desk("weights", "university").out.find(one["organisation"]) == -1
    assert desk("--json", "weights").json["items"] == [one]
    assert "权重" in desk("weights", lang="zh").out


def test_a_weight_is_said_for_a_kind_or_one_of_its_organisations(desk):
    one = document.example(Weight)
    desk.office.says(SAY, one)
    said = desk("--json", "weights", "sme", "3", "--organisation", one["organisation"])
    assert (said.code, said.json) == (0, one)
    assert desk.office.lines == [SAY]


def test_a_weight_out_of_bounds_is_refused_before_anything_is_sent(desk):
    for weight in ("0", "1001", "much"):
        assert desk("weights", "sme", weight).code == 2
    assert desk.office.lines == []


def test_the_passes_of_a_home_are_kept_and_written_as_a_journal(run, tmp_path):
    with open_platform(from_environment({}, home=str(tmp_path / "home"))):
        pass
    code, out, err = run("--home home simulate --keep 5")
    assert (code, "5" in out) == (0, True), err
    code, out, _ = run("--home home simulate --journal passes.jsonl")
    assert (code, "passes.jsonl: 0" in out) == (0, True)
    assert json.loads((tmp_path / "passes.jsonl").read_text("utf-8"))["format"] == "yunhe-passes"
    assert run("simulate passes.jsonl")[0] == 0
    assert run("--home home simulate --keep -1")[0] == 2
