"""Files that are nearly right: every reader says what it could not use, and guesses nothing."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.simulation.domain import NONE
from yunhe.compute.simulation.traces import export, gavel
from yunhe.compute.simulation.traces.building import ARRIVE_US_MAX, SERVICE_US_MAX, Wanted
from yunhe.compute.simulation.traces.fleets import (
    DEVICES_MAX,
    NODES_MAX,
    Rack,
    read_fleet,
    supply,
)
from yunhe.compute.simulation.traces.reading import read_trace
from yunhe.compute.simulation.traces.table import FINDINGS_MAX, Problems, load, read_csv
from yunhe.kernel.errors import Invalid

PHILLY = "timestamp,duration,num_gpus,gpu_time,cluster\n"
OPENB = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,"
    "pod_phase,creation_time,deletion_time,scheduled_time\n"
)
NOW_US = 1_790_000_000_000_000


def fleet(*racks: Rack, **over) -> Wanted:
    return Wanted(supply(racks or [Rack("a", "A", 4, 8, 64_000, 1_000)], name="test"), **over)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def codes(loaded) -> list[tuple[str, str]]:
    return [(finding.where, finding.code.removeprefix("simulate.")) for finding in loaded.findings]


def philly(folder: Path, *rows: str, wanted: Wanted | None = None):
    return read_trace(put(folder, "p.csv", PHILLY + "\n".join(rows) + "\n"), wanted or fleet())


# --- Bytes and lines ---------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("packed", [True, False])
def test_line_ends_marks_and_packing_change_nothing(tmp_path, ending, last, mark, packed) -> None:
    rows = ["2017-10-02 00:00:00,30,1,30,a", "2017-10-02 00:00:01,30.5,2,61,a", "x,1,1,1,a"]
    content = ending.join([PHILLY.strip(), *rows]) + (ending if last else "")
    data = mark + content.encode()
    loaded = read_trace(put(tmp_path, "p.csv", gzip.compress(data) if packed else data), fleet())
    assert loaded.trace.jobs.service_us.tolist() == [30_000_000, 30_500_000]
    assert codes(loaded) == [("p.csv:4", "row_not_time")]


def test_packed_parts_one_after_another_are_one_file(tmp_path) -> None:
    parts = [PHILLY, "2017-10-02 00:00:00,30,1,30,a\n", "2017-10-02 00:00:01,30,1,30,a\n"]
    data = b"".join(gzip.compress(part.encode()) for part in parts)
    assert len(read_trace(put(tmp_path, "p.csv.gz", data), fleet()).trace.jobs) == 2
    trailing = read_trace(put(tmp_path, "q.csv.gz", data + b"rubbish"), fleet())
    assert (len(trailing.trace.jobs), trailing.faults) == (2, 1)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("yunhe.compute.simulation.traces.table.BYTES_MAX", 1 << 20)
    packed = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    data = packed.compress(b"\0" * (2 << 20)) + packed.flush()
    with pytest.raises(Invalid) as caught:
        load(put(tmp_path, "bomb.gz", data), Problems("bomb.gz"))
    assert caught.value.code == "simulate.file_too_large"
    exact = gzip.compress(b"\0" * (1 << 20))
    assert len(load(put(tmp_path, "exact.gz", exact), Problems("x"))) == 1 << 20


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_packed_file_cut_anywhere_gives_its_beginning_and_one_fault(tmp_path_factory, data):
    content = b"".join(b"%d,%d\n" % (n, n * n) for n in range(3_000))
    whole = gzip.compress(content, mtime=0)
    cut = data.draw(st.integers(11, len(whole) - 1))
    path = tmp_path_factory.mktemp("cut") / "x.gz"
    path.write_bytes(whole[:cut])
    problems = Problems("x.gz")
    found = load(path, problems).encode()
    assert content.startswith(found)
    assert [finding.code for finding in problems.findings] == ["simulate.packing_broken"]


def test_the_faults_that_are_listed_are_the_first_ones() -> None:
    problems = Problems("x")
    problems.rows(np.arange(1, FINDINGS_MAX), "simulate.row_no_time")
    problems.rows(np.arange(FINDINGS_MAX, FINDINGS_MAX + 7), "simulate.row_too_long")
    problems.add(0, "simulate.packing_broken")
    assert (problems.count, len(problems.findings)) == (FINDINGS_MAX + 7, FINDINGS_MAX)
    assert problems.findings[-1].where == f"x:{FINDINGS_MAX}"
    assert problems.findings[-1].code == "simulate.row_too_long"


def test_a_row_is_faulted_once_however_much_is_wrong_with_it(tmp_path) -> None:
    loaded = philly(tmp_path, "2017-10-02 00:00:00,30,1,30,a", "x,-1,0.5,x,a")
    assert (loaded.faults, loaded.rows) == (1, 2)


@pytest.mark.parametrize("digits", range(10))
def test_parts_of_a_second_are_read_to_the_microsecond(tmp_path, digits) -> None:
    part = f".{'123456789'[:digits]}" if digits else ""
    for bad in ("", "2017-02-30 00:00:00,30,1,30,a"):  # with a wrong date another way is taken
        loaded = philly(
            tmp_path, "2017-10-02 00:00:00,30,1,30,a", f"2017-10-02 00:00:01{part}Z,30,1,30,a", bad
        )
        expected = 1_000_000 + int("123456789"[:digits][:6].ljust(6, "0"))
        assert loaded.trace.jobs.arrive_us.tolist() == [0, expected]


@pytest.mark.parametrize(
    "said",
    ["2017-10-02 24:00:00", "2017-10-02 23:59:60", "2017-10-02 00:00", "2017-10-02T00:00:00+08:00",
     "02/10/2017 00:00:00", "1506902400", "2017-10-02 00:00:00.", "２０１７-10-02 00:00:00"],
)  # fmt: skip
def test_a_time_in_another_zone_or_form_is_a_fault_and_never_read_as_utc(tmp_path, said) -> None:
    loaded = philly(tmp_path, "2017-10-02 00:00:00,30,1,30,a", f"{said},30,1,30,a")
    assert codes(loaded) == [("p.csv:3", "row_not_time")]


# --- Windows, order and bounds -----------------------------------------------------------------

DAY_US = 86_400 * 1_000_000
ROWS = [f"2017-10-0{day} 00:00:00,{day},1,1,a" for day in (3, 1, 2, 5, 4)]
FIRST_US = 1_506_816_000_000_000


@pytest.mark.parametrize(
    ("over", "services"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"since_us": FIRST_US}, [1, 2, 3, 4, 5]),
        ({"since_us": FIRST_US + 1}, [2, 3, 4, 5]),
        ({"until_us": FIRST_US + 4 * DAY_US}, [1, 2, 3, 4]),
        ({"until_us": FIRST_US + 4 * DAY_US + 1}, [1, 2, 3, 4, 5]),
        ({"since_us": FIRST_US + DAY_US, "until_us": FIRST_US + 2 * DAY_US}, [2]),
        ({"first": 2}, [1, 2]),
        ({"first": 99}, [1, 2, 3, 4, 5]),
        ({"first": 1, "since_us": FIRST_US + DAY_US}, [2]),
    ],
)
def test_a_window_takes_its_first_instant_and_leaves_its_last(tmp_path, over, services) -> None:
    loaded = philly(tmp_path, *ROWS, wanted=fleet(**over))
    jobs = loaded.trace.jobs
    assert (jobs.service_us // 1_000_000).tolist() == services
    assert jobs.arrive_us[0] == 0
    assert loaded.trace.epoch_us == FIRST_US + (services[0] - 1) * DAY_US
    kept = [dict(n.params) for n in loaded.trace.notes if n.key == "first_jobs"]
    assert kept == ([{"kept": len(services), "all": 5 if "since_us" not in over else 4}]
                    if over.get("first", 99) < 5 else [])  # fmt: skip


def test_rows_that_come_at_one_instant_keep_the_order_of_the_file(tmp_path) -> None:
    rows = [f"2017-10-02 00:00:0{n % 2},{n + 1},1,1,a" for n in range(8)]
    jobs = philly(tmp_path, *rows).trace.jobs
    assert (jobs.service_us // 1_000_000).tolist() == [1, 3, 5, 7, 2, 4, 6, 8]
    assert len(set(jobs.id)) == 8


@pytest.mark.parametrize(
    ("gap_seconds", "noted"), [(86_400, False), (86_401, True), (100 * 86_400, True)]
)
def test_a_silence_of_more_than_a_day_is_pointed_out(tmp_path, gap_seconds, noted) -> None:
    content = "; MaxProcs: 8\n" + "".join(
        f"{n} {at} 0 10 1 -1 -1 1 -1 -1 1 1 -1 -1 -1 -1 -1 -1\n"
        for n, at in enumerate((0, 60, 60 + gap_seconds))
    )
    trace = read_trace(put(tmp_path, "a.swf", content), Wanted()).trace
    said = [dict(note.params) for note in trace.notes if note.key == "gaps"]
    assert said == ([{"gaps": 1, "hours": gap_seconds // 3_600}] if noted else [])


@pytest.mark.parametrize(
    ("duration", "code"),
    [
        (SERVICE_US_MAX // 10**6, None),
        (SERVICE_US_MAX // 10**6 + 1, "row_too_long"),
        ("0.000001", None),
        ("0.0000004", "row_no_time"),
        ("-0", "row_no_time"),
        ("1e-400", "row_no_time"),
        ("1e15", "row_too_long"),
        ("1.1e15", "row_too_large"),
    ],
)
def test_run_times_are_taken_up_to_ten_years_and_from_a_microsecond(
    tmp_path, duration, code
) -> None:
    loaded = philly(
        tmp_path, "2017-10-02 00:00:00,30,1,30,a", f"2017-10-02 00:00:00,{duration},1,30,a"
    )
    assert [found for _, found in codes(loaded)] == ([code] if code else [])
    assert len(loaded.trace.jobs) == (1 if code else 2)


def test_arrivals_of_the_next_century_are_faults(tmp_path) -> None:
    last = ARRIVE_US_MAX // 10**6
    rows = [f"{n} {at} 0 10 1 -1 -1 1 -1 -1 1 1 -1 -1 -1 -1 -1 -1\n"
            for n, at in enumerate((0, last, last + 1))]  # fmt: skip
    loaded = read_trace(put(tmp_path, "a.swf", "; MaxProcs: 8\n" + "".join(rows)), Wanted())
    assert codes(loaded) == [("a.swf:4", "row_too_late")]
    assert loaded.trace.jobs.arrive_us.tolist() == [0, last * 10**6]


# --- openb, gavel, swf -------------------------------------------------------------------------


def openb(folder: Path, *rows: str, wanted: Wanted | None = None):
    return read_trace(put(folder, "o.csv", OPENB + "\n".join(rows) + "\n"), wanted or fleet())


@pytest.mark.parametrize(
    ("devices", "milli", "expected"),
    [
        (1, 1, (0, 1)),
        (1, 999, (0, 999)),
        (1, 1000, (1, 0)),
        (1, 1001, None),
        (1, 0, None),
        (0, 0, (0, 0)),
        (8, 1000, (8, 0)),
        (9, 1000, (9, 0)),
        (33, 1000, None),
    ],
)
def test_a_share_of_one_device_is_no_whole_one(tmp_path, devices, milli, expected) -> None:
    row = f"a,1000,100,{devices},{milli},,LS,Running,0,50,10"
    jobs = openb(tmp_path, "z,1,1,1,1000,,LS,Running,0,50,10", row).trace.jobs
    found = [(int(d), int(m)) for d, m in zip(jobs.devices, jobs.milli, strict=True)]
    assert found[1:] == ([expected] if expected else [])


def test_a_pod_runs_from_its_scheduling_and_arrives_at_its_creation(tmp_path) -> None:
    jobs = openb(
        tmp_path, "b,1,1,1,1000,,LS,Running,100,50100,40100", "a,1,1,1,1000,,LS,Running,0,9,9"
    ).trace.jobs
    assert jobs.id == ("b",)  # a pod that ended when it began never ran
    assert jobs.service_us.tolist() == [10_000 * 10**6]


@pytest.mark.parametrize(
    ("spec", "fits"), [("A", True), ("B|A", True), ("B", False), ("a", False), ("A|", True)]
)
def test_a_pod_runs_only_on_chips_it_names(tmp_path, spec, fits) -> None:
    loaded = openb(
        tmp_path, "z,1,1,1,1000,,LS,Running,0,50,10", f"a,1,1,1,1000,{spec},BE,Running,0,50,10"
    )
    assert loaded.trace.jobs.id == (("z", "a") if fits else ("z",))


@pytest.mark.parametrize(
    ("cpu", "memory", "devices", "fits"),
    [
        (64_000, 1_000, 1, True),
        (64_001, 1_000, 1, False),
        (64_000, 1_001, 1, False),
        (64_000, 1_000, 0, True),
        (64_001, 0, 0, False),
    ],
)
def test_processor_and_memory_must_fit_one_node(tmp_path, cpu, memory, devices, fits) -> None:
    share = 1000 if devices else 0
    loaded = openb(
        tmp_path,
        "z,1,1,1,1000,,LS,Running,0,50,10",
        f"a,{cpu},{memory},{devices},{share},,LS,Running,0,50,10",
    )
    assert ("a" in loaded.trace.jobs.id) == fits


RATES = {"v100": {"('A', 1)": {"null": 10.0}, "('A', 4)": {"null": 20.0}},
         "p100": {"('A', 1)": {"null": 5.0}}, "k80": {}}  # fmt: skip


def gavel_trace(folder: Path, *lines: tuple[object, ...], rates: object = None):
    put(folder, gavel.TABLE, json.dumps(RATES if rates is None else rates))
    text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
    return read_trace(put(folder, "one.trace", text), Wanted())


def gavel_line(steps: object = 100, arrive: object = 0, scale: object = 1, kind: str = "A"):
    return (kind, "run", "-s", "1", steps, arrive, scale)


@pytest.mark.parametrize(
    "rate", ["NaN", "Infinity", "-Infinity", "-1", "1e9", "1e400", '"x"', "null", "1e-300"]
)
@pytest.mark.parametrize("chip", ["v100", "p100"])
def test_no_rate_whatever_makes_a_speed_that_cannot_be(tmp_path, rate, chip) -> None:
    text = json.dumps(RATES).replace("5.0" if chip == "p100" else "10.0", rate)
    put(tmp_path, gavel.TABLE, text)
    path = put(tmp_path, "one.trace", "\t".join(map(str, gavel_line())) + "\n")
    try:
        trace = read_trace(path, Wanted()).trace
    except Invalid as error:
        said = error.message("en")
        assert gavel.TABLE in said or "one.trace" in said  # either may be refused
        return
    assert (trace.speeds >= 0).all()
    assert (trace.speeds <= gavel.SPEED_MAX).all()
    assert (trace.jobs.service_us > 0).all()


@pytest.mark.parametrize(
    "table",
    ["[]", "[[" * 50_000, "{", '{"v100": []}', '{"v100": {"x": 1}}', "7",
     '{"v100": {"(\'A\', 1)": []}}'],
)  # fmt: skip
def test_a_table_of_throughputs_that_is_none_is_said_to_be(tmp_path, table) -> None:
    put(tmp_path, gavel.TABLE, table)
    path = put(tmp_path, "one.trace", "\t".join(map(str, gavel_line())) + "\n")
    with pytest.raises(Invalid) as caught:
        read_trace(path, Wanted())
    assert caught.value.message("zh")


def test_only_jobs_that_are_replayed_count_as_guessed(tmp_path) -> None:
    loaded = gavel_trace(
        tmp_path, gavel_line(scale=2), gavel_line(scale=8), gavel_line(scale=2, steps=-1),
        gavel_line(scale=4), gavel_line(scale=0), gavel_line(scale=-4),
    )  # fmt: skip
    notes = {note.key: dict(note.params) for note in loaded.trace.notes}
    assert notes["gavel_scaled"] == {"jobs": 2}
    assert loaded.trace.jobs.service_us.tolist() == [10**7, 5 * 10**6, 5 * 10**6]
    assert sorted(found for _, found in codes(loaded)) == [
        "gavel_kind", "gavel_kind", "row_no_time"]  # fmt: skip


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"steps": "nan"}, "row_no_time"),
        ({"steps": "inf"}, "row_no_time"),
        ({"arrive": "nan"}, "row_no_time"),
        ({"arrive": -1}, "row_no_time"),
        ({"scale": "1.0"}, "swf_number"),
        ({"scale": ""}, "swf_number"),
        ({"scale": "9" * 5_000}, "swf_number"),
        ({"kind": "chips"}, "gavel_kind"),
        ({"kind": ""}, "gavel_kind"),
        ({"steps": 9e11}, "row_too_long"),
    ],
)
def test_a_line_of_gavel_that_cannot_be_is_a_fault(tmp_path, over, code) -> None:
    loaded = gavel_trace(tmp_path, gavel_line(), gavel_line(**over))
    assert [found for _, found in codes(loaded)] == [code]
    assert len(loaded.trace.jobs) == 1


@pytest.mark.parametrize(
    ("headers", "nodes", "each"),
    [
        ("; MaxNodes: 4\n; MaxProcs: 32\n", 4, 8),
        ("; MaxProcs: 32\n", 32, 1),
        ("; MaxNodes: 32\n", 32, 1),
        ("; MaxNodes: 5\n; MaxProcs: 32\n", 32, 1),
        ("; MaxNodes: 0\n; MaxProcs: 32\n", 32, 1),
        ("; MaxNodes: 1\n; MaxProcs: 1024\n", 1, 1024),
        ("; MaxNodes: 1\n; MaxProcs: 1025\n", 1025, 1),
        (";MaxProcs:32 (of which 4 are for interactive work)\n", 32, 1),
    ],
)
def test_the_machine_of_a_log_is_what_its_head_says(tmp_path, headers, nodes, each) -> None:
    row = "1 0 0 10 1 -1 -1 1 -1 -1 1 1 -1 -1 -1 -1 -1 -1\n"
    found = read_trace(put(tmp_path, "a.swf", headers + row), Wanted()).trace.fleet
    assert (len(found), set(found.devices.tolist())) == (nodes, {each})


@pytest.mark.parametrize("headers", ["; Computer: x\n", "; MaxProcs: 0\n", "; MaxProcs: -1\n",
                                     f"; MaxProcs: {10**14 + 1}\n"])  # fmt: skip
def test_a_log_whose_machine_cannot_be_is_refused(tmp_path, headers) -> None:
    row = "1 0 0 10 1 -1 -1 1 -1 -1 1 1 -1 -1 -1 -1 -1 -1\n"
    with pytest.raises(Invalid) as caught:
        read_trace(put(tmp_path, "a.swf", headers + row), Wanted())
    assert caught.value.code in ("simulate.fleet_needed", "simulate.fleet_invalid")


# --- Our own export ----------------------------------------------------------------------------


def exported(folder: Path, *lines: object):
    head = {"format": export.FORMAT, "version": export.VERSION}
    content = "\n".join(json.dumps(line) for line in (head, *lines))
    return read_trace(put(folder, "e.jsonl", content), Wanted())


def pool(**over) -> dict:
    return {"type": "pool", "id": "p", "site": "s", "chip": "x", "devices": 16, **over}


def work(name: str = "w", **over) -> dict:
    return {"type": "workload", "id": name, "organisation": "o", "submitted_at_us": NOW_US,
            "devices": 1, "chip": "x", "run_ms": 5_000, **over}  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "nodes", "expected"),
    [
        (16, None, [8, 8]),
        (20, None, [8, 8, 4]),
        (3, None, [3]),
        (8, 1, [8]),
        (9, 4, [3, 2, 2, 2]),
        (5, 4, [2, 1, 1, 1]),
        (4, 4, [1, 1, 1, 1]),
        (DEVICES_MAX, 1, [DEVICES_MAX]),
        (2 * DEVICES_MAX, 2, [DEVICES_MAX, DEVICES_MAX]),
    ],
)
def test_a_pool_has_the_nodes_it_says_and_all_its_devices(tmp_path, devices, nodes, expected):
    said = pool(devices=devices) | ({} if nodes is None else {"nodes": nodes})
    found = exported(tmp_path, said, work()).trace.fleet
    assert found.devices.tolist() == expected


@pytest.mark.parametrize(
    "over",
    [
        {"devices": DEVICES_MAX + 1, "nodes": 1},
        {"devices": 40_000, "nodes": 1},  # no number of devices may wrap around
        {"devices": 0},
        {"devices": -8},
        {"devices": 8.0},
        {"devices": True},
        {"chip": None},
        {"price_minor_per_device_hour": 5},
        {"price_minor_per_device_hour": 5, "currency": "XXX"},
        {"price_minor_per_device_hour": 5, "currency": ["CNY"]},
    ],
)
def test_a_pool_that_cannot_be_is_a_fault_and_not_a_smaller_one(tmp_path, over) -> None:
    loaded = exported(tmp_path, pool(id="good", site="t", devices=8), pool(**over), work())
    assert codes(loaded) == [("e.jsonl:3", "export_field")]
    assert loaded.trace.fleet.devices.tolist() == [8]


def test_a_pool_without_a_price_beside_one_with_is_free_and_no_second_currency(tmp_path) -> None:
    loaded = exported(
        tmp_path,
        pool(id="a", site="a", price_minor_per_device_hour=900, currency="CNY"),
        pool(id="b", site="b"),
        work(),
    )
    assert loaded.trace.prices.tolist() == [[900], [0]]
    assert loaded.trace.currency == "CNY"
    assert exported(tmp_path, pool(), work()).trace.prices is None


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"devices": 0}, "export_field"),
        ({"devices": 0, "milli": 500}, None),
        ({"devices": 0, "milli": 1000}, "export_field"),
        ({"devices": 1, "milli": 500}, None),
        ({"submitted_at_us": 1.5}, "export_field"),
        ({"submitted_at_us": True}, "export_field"),
        ({"submitted_at_us": 2**60}, "export_field"),
        ({"id": 7}, "export_field"),
        ({"chip": None}, "export_field"),
        ({"chips": {"x": 500}}, None),
        ({"chips": {"x": -1}}, "export_field"),
        ({"chips": {"x": 10**7}}, "export_field"),
        ({"chips": {}}, None),
        ({"run_ms": 10**15}, "row_too_long"),
        ({"wall_seconds_max": -5}, None),
        ({"wall_seconds_max": 10**30}, None),
        ({"organisation": None}, None),
    ],
)
def test_a_workload_that_cannot_be_is_a_fault(tmp_path, over, code) -> None:
    loaded = exported(tmp_path, pool(), work("good"), work("odd", **over))
    assert [found for _, found in codes(loaded)] == ([code] if code else [])
    assert len(loaded.trace.jobs) == (1 if code else 2)
    if over.get("milli") == 500:
        assert loaded.trace.jobs.milli[1] == 500  # a share of one device, whatever else it says
        assert loaded.trace.jobs.devices[1] == 0
    assert ((loaded.trace.jobs.wall_us == 0) | (loaded.trace.jobs.wall_us >= 5_000_000)).all()


def test_a_workload_stays_with_the_chips_and_the_home_it_names(tmp_path) -> None:
    trace = exported(
        tmp_path,
        pool(id="a", site="a"),
        pool(id="b", site="b", chip="y"),
        work("1", chips={"x": 500, "y": 2_000}, home="b"),
        work("2", chip="y", home="nowhere"),
        work("3", home=["b"]),
    ).trace
    assert trace.speeds[trace.jobs.kind].tolist() == [[500, 2_000], [0, 1_000], [1_000, 0]]
    assert trace.jobs.home.tolist() == [1, NONE, NONE]


# --- Tables of nodes ---------------------------------------------------------------------------


def nodes_of(folder: Path, *rows: str, head: str = "site,chip,nodes,devices,price_minor,currency"):
    return read_fleet(put(folder, "f.csv", head + "\n" + "\n".join(rows) + "\n"))


def test_a_rack_without_a_price_takes_nothing_from_its_neighbours_price(tmp_path) -> None:
    for rows in (("a,g,1,8,500,CNY", "a,g,1,4,,"), ("a,g,1,4,,", "a,g,1,8,500,CNY")):
        assert nodes_of(tmp_path, *rows).prices.tolist() == [[500]]
    assert nodes_of(tmp_path, "a,g,1,8,0,CNY").prices.tolist() == [[0]]
    assert nodes_of(tmp_path, "a,g,1,8,,").prices is None


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("a,g,1,8,500,", "row_currency"),
        ("a,g,1,8,500,XXX", "row_currency"),
        ("a,g,1,8,500,cny", "row_currency"),
        (",g,1,8,500,CNY", "row_empty"),
        ("  ,g,1,8,500,CNY", "row_empty"),
        ("a,g,1,8,-1,CNY", "row_too_small"),
        ("a,g,1,8,1.5,CNY", "row_not_whole"),
        (f"a,g,1,{DEVICES_MAX + 1},,", "row_too_large"),
        ("a,g,1,-1,,", "row_too_small"),
        ("a,g,1e16,1,,", "row_too_large"),
    ],
)
def test_a_row_of_nodes_that_cannot_be_is_named_before_anything_is_replayed(
    tmp_path, row, code
) -> None:
    with pytest.raises(Invalid) as caught:
        nodes_of(tmp_path, "z,g,1,8,,", row)
    assert [(one.where, one.code) for one in caught.value.findings] == [
        ("f.csv:3", f"simulate.{code}")
    ]


@pytest.mark.parametrize(("nodes", "good"), [(NODES_MAX, True), (NODES_MAX + 1, False)])
def test_a_fleet_has_so_many_nodes_and_no_more(nodes, good) -> None:
    if good:
        assert len(supply([Rack("a", "g", nodes, 1)], name="x").fleet) == nodes
        return
    with pytest.raises(Invalid):
        supply([Rack("a", "g", nodes, 1)], name="x")


def test_nodes_of_one_site_stand_together_in_whatever_order_they_come(tmp_path) -> None:
    head = "site,chip,nodes,devices,domain_nodes"
    found = nodes_of(tmp_path, "b,g,2,8,1", "a,h,1,4,0", "b,h,3,2,2", "a,,1,0,0", head=head).fleet
    assert found.sites == ("b", "a")
    assert found.chips == ("g", "h")
    assert found.site.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found.chip.tolist() == [0, 0, 1, 1, 1, 1, NONE]
    assert found.domain.tolist() == [0, 1, 2, 2, 3, 4, 4]


def test_a_column_in_any_place_and_in_quotes_is_found_and_a_strange_one_passed_over() -> None:
    problems = Problems("x")
    rows = read_csv("x", 'z,"b", a \n"1,5",2,3\n', problems, needed=["a", "b"])
    assert (rows.numbers("a").tolist(), rows.numbers("b").tolist()) == ([3.0], [2.0])
    assert problems.count == 0
