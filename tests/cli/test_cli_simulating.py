"""`yunhe simulate`: what a person types, what comes out, and how a program sees what went wrong."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from yunhe.app import open_platform
from yunhe.cli.main import main
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import AwardView, Picture, PoolView, Request
from yunhe.compute.simulation.recording import Journal
from yunhe.settings import from_environment

PHILLY = "timestamp,duration,num_gpus,gpu_time,cluster\n"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs the command; returns (exit code, what it printed, what it said beside)."""
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(line: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(line))
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return call


def trace(folder: Path, rows: str = "") -> None:
    good = "".join(f"2017-10-02 00:00:{at:02},30,{1 + at % 8},30,a\n" for at in range(60))
    (folder / "philly.csv").write_text(PHILLY + good + rows, encoding="utf-8")
    (folder / "fleet.csv").write_text(
        "site,chip,nodes,devices,price_minor,currency\na,gpu,2,8,360000,CNY\n", encoding="utf-8"
    )


def test_the_example_runs_without_any_data(run):
    code, out, _ = run("simulate --example --policy fifo --policy first_fit")
    assert code == 0
    assert "2,000 jobs" in out
    assert "Made up with seed 42" in out
    assert "yunhe simulate --policy fifo --policy first_fit --example --seed 42" in out


def test_the_line_that_repeats_it_repeats_it(run):
    _, first, _ = run("simulate --example --policy fifo --node-mtbf 40 --seed 7")
    line = first.strip().splitlines()[-1].split("yunhe ", 1)[1]
    _, again, _ = run(line)
    assert [row.split()[:-1] for row in again.splitlines()] == [
        row.split()[:-1] for row in first.splitlines()
    ]


def test_a_report_is_written_in_the_language_asked_for(run, tmp_path):
    trace(tmp_path)
    code, out, _ = run("simulate philly.csv --fleet fleet.csv --out deep/out --lang zh")
    assert code == 0
    assert "报告在 deep/out/report.html" in out
    page = (tmp_path / "deep" / "out" / "report.html").read_text("utf-8")
    assert '<html lang="zh-Hans">' in page
    assert str(tmp_path) not in page
    assert "CNY" in out


def test_faulty_rows_are_named_and_the_exit_code_says_so(run, tmp_path):
    trace(tmp_path, "2017-10-02 00:01:00,-1,1,30,a\nx,30,1,30,a\n")
    code, out, _ = run("simulate philly.csv --fleet fleet.csv -p fifo")
    assert code == 3
    assert "2 faulty rows of 62 were left out." in out
    assert "philly.csv:62: duration is below 0" in out
    assert "philly.csv:63: timestamp is not a time" in out


def test_a_program_gets_one_json_object(run, tmp_path):
    trace(tmp_path, "x,30,1,30,a\n")
    code, out, _ = run("simulate philly.csv --fleet fleet.csv -p fifo -p first_fit --json")
    told = json.loads(out)
    assert code == 3
    assert [one["policy"] for one in told["figures"]] == ["fifo", "first_fit"]
    assert told["faults"] == 1
    assert told["figures"][0]["cost_minor"] > 0


def test_the_policies_are_listed_with_their_settings(run):
    code, out, _ = run("simulate --policies")
    assert code == 0
    assert "overtaking=never" in out
    _, told, _ = run("--json simulate --policies")
    assert "yunhe" in json.loads(told)["policies"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("simulate", 2, "Name one trace"),
        ("simulate philly.csv --example", 2, "Name one trace"),
        ("simulate none.csv", 66, "There is no file none.csv"),
        ("simulate fleet.csv", 65, "of no format known here"),
        ("simulate philly.csv --policy best", 65, "is no policy"),
        ("simulate philly.csv --from yesterday", 65, "is not a day"),
        ("simulate philly.csv --until 2001-01-01", 65, "no job that can be replayed"),
        ("simulate philly.csv --fleet philly.csv", 65, "lacks columns"),
        ("simulate philly.csv --reach -1", 2, "--reach"),
    ],
)
def test_what_cannot_be_done_is_said_and_not_half_done(run, tmp_path, line, code, words):
    trace(tmp_path)
    got, _, err = run(f"{line} --out out" if "philly" in line else line)
    assert (got, words in err) == (code, True)
    assert not (tmp_path / "out").exists()


def test_the_platform_of_a_home_is_recorded(run, tmp_path):
    with open_platform(from_environment({}, home=str(tmp_path / "home"))):
        pass
    code, out, _ = run("--home home simulate --record trace.jsonl")
    assert code == 0
    assert "0 workloads written to trace.jsonl" in out
    header = json.loads((tmp_path / "trace.jsonl").read_text("utf-8"))
    assert (header["format"], header["version"]) == ("yunhe-trace", 2)
    code, _, err = run("simulate trace.jsonl")
    assert code == 65
    assert "does not say what fleet" in err


def test_a_home_that_is_not_there_is_not_recorded(run, tmp_path):
    code, _, err = run("--home nowhere simulate --record trace.jsonl")
    assert code == 66
    assert "nowhere" in err
    assert not (tmp_path / "trace.jsonl").exists()


def test_help_tells_what_every_option_does(run):
    for language in ("en", "zh"):
        code, out, _ = run(f"simulate --help --lang {language}")
        assert code == 0
        assert "cli.simulate" not in out
        assert "--node-mtbf" in out


def test_a_decision_that_was_tampered_with_is_told_with_its_pass_and_workload(run, tmp_path):
    asked = Request("wl_first", 1, "org", "cpu", 2, 100, 5)
    seen = Picture(
        (PoolView("pool_here", "cpu", 4, 0, 3_600, "CNY"),),
        (AwardView("award", "org", "cpu", 10**9, 10**18),),
        (),
        {("org", "CNY"): 10**6},
        (asked,),
    )
    path = tmp_path / "kept.jsonl"
    for now_us in (10, 20):
        Journal(path).note(seen, decide(seen, now_us=now_us), now_us=now_us)
    code, out, _ = run("simulate kept.jsonl")
    assert (code, "wl_first" in out) == (0, False)
    head, first, second = path.read_text("utf-8").splitlines()
    wrong = second.replace('"pool": "pool_here", "term"', '"pool": "pool_there", "term"')
    assert wrong != second
    path.write_text("\n".join([head, first, wrong]) + "\n", "utf-8")
    code, out, _ = run("simulate kept.jsonl")
    assert code == 1
    assert "Pass 2 (line 3, 1970-01-01T00:00:00.000020Z), wl_first: placed in pool_there" in out
    assert "placed in pool_here" in out
    code, out, _ = run("simulate kept.jsonl --json")
    said = json.loads(out)
    assert (code, said["different"]) == (1, [3])
    assert [(each["number"], each["workload"]) for each in said["differences"]] == [(2, "wl_first")]
    code, out, _ = run("simulate kept.jsonl --lang zh")
    assert "第 2 轮（第 3 行" in out
