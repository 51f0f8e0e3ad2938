"""Wrong files, wrong plans, wrong times: each told plainly, all at once, with nothing half-written.

The refusals share one home on purpose: what they left in it would spoil the good run at the end.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plan_desk import (
    EASY,
    ENVIRONMENT,
    SMALL,
    Desk,
    Refusal,
    State,
    changed_plan,
    leftovers,
    refusal,
)
from plan_gateway import Door

from yunhe.kernel.clock import SECOND_US, ManualClock
from yunhe.kernel.errors import Conflict, Unavailable
from yunhe.kernel.progress import Silent
from yunhe.plans import service as plans
from yunhe.plans.run import Source

PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
PEAK_BYTES_MAX = 600 << 20
LONG_BYTES = 256 << 20


@pytest.fixture(scope="module")
def scarred(tmp_path_factory, tickets, small_plan) -> Desk:
    """The home in which everything goes wrong."""
    return Desk(tmp_path_factory.mktemp("scarred") / "home", tickets(SMALL), small_plan)


@pytest.fixture(scope="module")
def rows(tickets: Callable[..., Path]) -> list[dict]:
    """The tickets as records."""
    return [json.loads(line) for line in tickets(SMALL).open(encoding="utf-8")]


def nothing_happened(desk: Desk) -> None:
    """No money moved, nothing was recorded, nothing lies about; the books and the log are sound."""
    state = State.of(desk)
    assert (state.transfers, state.holds_open, +state.records) == (0, 0, {})
    assert leftovers(desk.home) == []
    assert desk.rows("SELECT count(*) FROM corpus_cleansing") == [(0,)]


def refuse(desk: Desk, data: Path, *options: str) -> Refusal:
    """Run the plan on a bad file; it is refused without any effect."""
    refused = refusal(desk, "run", str(desk.plan), "--input", str(data), *options)
    nothing_happened(desk)
    return refused


def test_wrong_columns_are_named_all_at_once_beside_those_there_are(scarred):
    given = ("--text", "body", "--label", "office", "--id", "number")
    refused = refuse(scarred, scarred.tickets, *given)
    assert (refused.exit_code, refused.code) == (65, "corpus.input_faulty")
    for column in ("body", "office", "number"):
        (told,) = [finding for finding in refused.findings if column in finding]
        for there in ("text", "department", "channel"):
            assert there in told
        assert "tickets.jsonl:1" in told


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.csv", "empty.parquet"])
def test_an_empty_file_is_called_empty(scarred, tmp_path, name):
    (tmp_path / name).touch()
    refused = refuse(scarred, tmp_path / name)
    assert (refused.exit_code, refused.code) == (65, "corpus.input_faulty")
    assert refused.findings == [f"{name}: holds no document."]


def test_a_header_alone_is_called_empty(scarred, tmp_path):
    (tmp_path / "header.csv").write_text("id,text,department\n", "utf-8")
    refused = refuse(scarred, tmp_path / "header.csv")
    assert refused.exit_code == 65
    assert "header.csv" in refused.told


def test_a_missing_file_is_named_and_so_is_a_folder_in_its_place(scarred, tmp_path):
    for path in (tmp_path / "none.jsonl", tmp_path):
        refused = refuse(scarred, path)
        assert (refused.exit_code, refused.code) == (66, "plans.no_input")
        assert str(path) in refused.told


def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_read(scarred, tmp_path):
    path = tmp_path / "tickets.docx"
    path.write_bytes(b"PK\x03\x04")
    refused = refuse(scarred, path)
    assert (refused.exit_code, refused.code) == (65, "corpus.input_faulty")
    assert ".jsonl" in refused.told
    assert ".parquet" in refused.told


def test_a_truncated_parquet_file_is_told_from_an_empty_one(scarred, rows, tmp_path):
    path = tmp_path / "half.parquet"
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.Table.from_pylist(rows), whole)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    refused = refuse(scarred, path, "--label", "department")
    assert (refused.exit_code, refused.code) == (65, "corpus.input_faulty")
    assert "no whole Parquet file" in refused.told
    assert "half.parquet" in refused.told


def test_broken_lines_are_all_named_with_their_places(scarred, tickets, tmp_path):
    lines = tickets(SMALL).read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:40] + b"\n"
    lines[99] = b"[1, 2]\n"
    lines[200] = lines[200].replace(b'"text":"', b'"text":7,"was":"', 1)
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b"".join(lines))
    refused = refuse(scarred, path)
    assert (refused.exit_code, refused.code) == (65, "corpus.input_faulty")
    places = {finding["where"].partition(" ")[0] for finding in refused.error["findings"]}
    assert places == {"broken.jsonl:4", "broken.jsonl:100", "broken.jsonl:201"}
    assert refused.error["params"]["count"] == 3


def test_a_line_beyond_the_bound_is_refused_while_it_streams_by(scarred, rows, tmp_path):
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        for row in rows[:5]:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        file.write(b'{"id":"long","department":"x","text":"')
        file.seek(LONG_BYTES, os.SEEK_CUR)  # a hole: the line is long, the disk is not filled
        file.write(b'"}\n')
        for row in rows[5:]:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    task = ("--json", "run", str(scarred.plan), "--input", str(path))
    # Linux counts in a process what its parent had before it was replaced: a small one starts it.
    small = (sys.executable, "-c", PEAK, *scarred.command(*task))
    done = subprocess.run(small, capture_output=True, env=ENVIRONMENT, check=False)
    error = json.loads(done.stdout)
    assert done.returncode == 65
    peak = int(done.stderr.splitlines()[-1])
    (finding,) = error["findings"]
    assert finding["code"] == "corpus.line_too_long"
    assert finding["where"].startswith("long.jsonl:6 ")
    unit = 1 if os.uname().sysname == "Darwin" else 1024  # Source: getrusage(2) of each
    assert peak * unit < PEAK_BYTES_MAX
    nothing_happened(scarred)


def test_faults_of_a_plan_are_listed_before_anything_is_made(tickets, tmp_path):
    plan = changed_plan(
        tmp_path,
        ("seed: 12345\n\norg", "sead: 12345\n\norg"),
        ("kind: provider", "kind: providor"),
        ("devices: 1,", "devices: 0,"),
        ("buyer: researcher", "buyer: reseacher"),
    )
    desk = Desk(tmp_path / "home", tickets(SMALL), plan)
    refused = refusal(desk, *desk.task())
    assert (refused.exit_code, refused.code) == (65, "plans.invalid")
    assert {finding["code"] for finding in refused.error["findings"]} >= {
        "plans.unknown_key", "plans.not_one_of", "plans.too_small",
    }  # fmt: skip
    for finding in refused.error["findings"]:
        path, line, column = finding["where"].rsplit(":", 2)
        assert path == str(plan)
        assert int(line) > 1
        assert int(column) > 0
    assert not desk.home.exists()
    assert refusal(desk, *desk.task("--check")).code == "plans.invalid"


def test_a_plan_that_is_not_there_is_named(desk, tmp_path):
    refused = refusal(desk, "run", str(tmp_path / "none.yaml"))
    assert (refused.exit_code, refused.code) == (66, "plans.no_file")
    assert not desk.home.exists()


def test_a_wrong_setting_is_named_before_anything_is_made(desk, tmp_path):
    wrong = {**ENVIRONMENT, "YUNHE_THREADS": "many", "YUNHE_HOEM": str(tmp_path)}
    command = desk.command("--json", *desk.task())
    done = subprocess.run(command, capture_output=True, text=True, env=wrong, check=False)
    assert done.returncode == 65
    error = json.loads(done.stdout)
    assert {finding["where"] for finding in error["findings"]} == {"YUNHE_THREADS", "YUNHE_HOEM"}
    assert not desk.home.exists()


def test_after_all_these_refusals_the_good_file_runs_as_in_a_new_home(scarred, finished):
    reference, expected = finished
    result = scarred.result()
    for same in ("run", "certificate_body", "model_digest", "results_digest"):
        assert result[same] == expected[same], same
    assert State.of(scarred) == State.of(reference)


def write_csv(path: Path, rows: list[dict], encoding: str) -> None:
    columns = ("id", "text", "department")
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.slow
def test_the_same_tickets_in_other_formats_and_encodings_teach_the_same(
    scarred, finished, rows, tmp_path
):
    write_csv(tmp_path / "bom.csv", rows, "utf-8-sig")
    write_csv(tmp_path / "gb18030.csv", rows, "gb18030")
    columns = {name: [row[name] for row in rows] for name in ("id", "text", "department")}
    pq.write_table(pa.table(columns), tmp_path / "tickets.parquet")
    expected = finished[1]
    for name in ("bom.csv", "gb18030.csv", "tickets.parquet"):
        desk = Desk(scarred.home, tmp_path / name, scarred.plan)
        result = desk.result()
        for same in ("documents_in", "documents_out", "details_masked", "train_digest"):
            assert result[same] == expected[same], (name, same)
        assert desk.certificate(result["run"])["input"]["encoding"] == {
            "bom.csv": "utf-8", "gb18030.csv": "gb18030", "tickets.parquet": "parquet",
        }[name]  # fmt: skip


def test_rows_with_bytes_that_are_no_text_are_dropped_with_that_reason(desk, tickets, tmp_path):
    lines = tickets(SMALL).read_bytes().splitlines(keepends=True)
    hurt = (10, 20, 30)
    for number in hurt:
        head, found, tail = lines[number].partition(b'"text":"')
        assert found
        lines[number] = head + found + b"\xff\xfe\xfd \xff" + tail
    path = tmp_path / "hurt.jsonl"
    path.write_bytes(b"".join(lines))
    desk = Desk(desk.home, path, desk.plan)
    result = desk.result()
    body = desk.certificate()
    assert result["documents_in"] == SMALL
    assert body["decisions"]["dropped"]["bytes_lost"] == len(hurt)
    decided = desk.table(body["decisions"]["digest"])
    lost = [row["row"] for row in decided if row["reason"] == "bytes_lost"]
    assert lost == [number + 1 for number in hurt]


def test_a_second_run_at_the_same_time_names_the_first_and_does_it_no_harm(desk, finished):
    first = subprocess.Popen(
        desk.command("--json", *desk.task()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        for line in first.stderr:
            if "plans.stage." in line:  # the first one, so that it has most of its work before it
                break
        # In this process, which is running already: another program might start too late
        with desk.platform() as platform, pytest.raises(Conflict) as refused:
            source = Source(desk.tickets, None, "text", "department", "id")
            plans.execute(plans.prepare(platform.equipment(), desk.plan, source, Silent()))
        assert refused.value.code == "plans.running"
        assert refused.value.exit_code == 75
        assert refused.value.params["holder"] == str(first.pid)
        assert str(first.pid) in refused.value.message("en")
        said, _ = first.communicate(timeout=120)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 0
    assert json.loads(said)["model_digest"] == finished[1]["model_digest"]
    assert State.of(desk) == State.of(finished[0])
    assert desk.result()["verified"] is True  # and now the second may


def test_a_clock_set_back_stops_the_signing_and_a_right_one_cures_it(copied, tickets):
    desk, _ = copied
    ((signed_us,),) = desk.rows("SELECT max(at_us) FROM custody_checkpoint")
    signed = desk.rows("SELECT count(*) FROM custody_checkpoint")
    more = Desk(desk.home, tickets(SMALL - 1), desk.plan)
    clock = ManualClock(signed_us - 3600 * SECOND_US)
    with desk.platform(clock) as platform:
        source = Source(more.tickets, None, "text", "department", "id")
        run = plans.prepare(platform.equipment(), desk.plan, source, Silent())
        with pytest.raises(Unavailable) as stopped:
            plans.execute(run)
    error = stopped.value
    assert error.code == "custody.clock_back"
    assert 3590 < error.params["seconds"] <= 3600
    assert "timedatectl" in error.message("en")
    assert "timedatectl" in error.message("zh")
    assert desk.rows("SELECT count(*) FROM custody_checkpoint") == signed
    assert State.of(desk).holds_open == 0
    assert more.result()["verified"] is True  # by the machine's own clock, which is right


def test_an_expired_key_is_refused_by_the_gateway(copied):
    desk, _ = copied
    ((now_us,),) = desk.rows("SELECT max(at_us) FROM custody_checkpoint")
    clock = ManualClock(now_us)
    with desk.platform(clock) as platform, platform.gateway() as url:
        door = Door(url, platform.day_key())
        assert door.ask()[0] == 200
        clock.advance(seconds=86_400)
        for language in ("en", "zh"):
            status, error = door.ask(language=language)
            assert (status, error["code"]) == (401, "identity.key_expired")
            assert error["message"]
            assert error["do"]
        assert door.ask(key=platform.day_key())[0] == 200


def test_interrupting_with_ctrl_c_leaves_nothing_half_done(desk, finished):
    process = subprocess.Popen(
        desk.command("--json", *desk.task()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        # A test run in the background of a shell ignores this signal, and so would its children.
        preexec_fn=lambda: signal.signal(  # noqa: PLW1509 (this process has one thread)
            signal.SIGINT, signal.default_int_handler
        ),
    )
    for line in process.stderr:
        if "plans.stage.compute" in line:
            break
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(said)["kind"] == "interrupted"
    assert "Run the same command again" in json.loads(said)["message"]
    assert desk.result()["model_digest"] == finished[1]["model_digest"]
    assert State.of(desk) == State.of(finished[0])


@pytest.mark.slow
def test_several_plans_and_inputs_share_a_home_without_standing_in_each_others_way(
    desk, tickets, tmp_path
):
    # Each run asks for 300 s more than one award; had the first left its workload in the queue, the
    # second award would have admitted and started it.
    plan = changed_plan(tmp_path, *EASY, ("wall_seconds: 7200", "wall_seconds: 1200"))
    for count in (SMALL, SMALL - 1):
        done = Desk(desk.home, tickets(count), plan).run()
        assert done.returncode in (0, 1), done.stdout  # the gate is not the question here
        assert json.loads(done.stdout)["stages"]["compute"] == "done"
    assert State.of(desk).records["compute.usage"] == 2
    assert State.of(desk).holds_open == 0
