"""Traces of every format become the same columns; what is wrong in a file is named by its row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.simulation.domain import NONE
from yunhe.compute.simulation.traces.building import Wanted
from yunhe.compute.simulation.traces.fleets import CONTENDED, Rack, read_fleet, supply
from yunhe.compute.simulation.traces.reading import read_trace, recognised
from yunhe.compute.simulation.traces.table import FINDINGS_MAX, Problems, read_csv
from yunhe.kernel.errors import Invalid, NotFound

TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"
PHILLY = "timestamp,duration,num_gpus,gpu_time,cluster\n"
OPENB = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,"
    "pod_phase,creation_time,deletion_time,scheduled_time\n"
)
NOW_US = 1_790_000_000_000_000
real = pytest.mark.skipif(not TRACES.is_dir(), reason="the traces are not beside the project")


def fleet(*racks: Rack) -> Wanted:
    return Wanted(supply(racks or [Rack("s", "A", 4, 8, 64_000, 1_000)], name="test"))


def put(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def codes(loaded) -> list[tuple[str, str]]:
    return [(finding.where, finding.code.removeprefix("simulate.")) for finding in loaded.findings]


def test_philly_rows_are_sorted_and_start_at_zero(tmp_path):
    rows = "2017-10-02 00:00:10,60.5,4,242,b\n2017-10-02 00:00:00,30,1,30,a\n"
    loaded = read_trace(
        put(tmp_path, "p.csv", PHILLY + rows), fleet(Rack("a", "g", 1, 8), Rack("b", "g", 1, 8))
    )
    jobs = loaded.trace.jobs
    assert jobs.arrive_us.tolist() == [0, 10_000_000]
    assert jobs.service_us.tolist() == [30_000_000, 60_500_000]
    assert [loaded.trace.fleet.sites[home] for home in jobs.home] == ["a", "b"]
    assert jobs.id == ("row-3", "row-2")
    assert ("sorted", {"rows": 1}) in [(n.key, dict(n.params)) for n in loaded.trace.notes]
    assert loaded.trace.epoch_us == 1_506_902_400_000_000


def test_every_faulty_row_is_named_and_the_good_ones_are_used(tmp_path):
    rows = [
        "2017-10-02 00:00:00,30,1,30,a",
        "2017-13-02 00:00:00,30,1,30,a",  # no such month
        "yesterday,30,1,30,a",
        "2017-10-02 00:00:00,-5,1,30,a",
        "2017-10-02 00:00:00,0,1,30,a",
        "2017-10-02 00:00:00,x,1,30,a",
        "2017-10-02 00:00:00,30,1.5,30,a",
        "2017-10-02 00:00:00,30,0,30,a",
        "2017-10-02 00:00:00,30,,30,a",
        "2017-10-02 00:00:00,30,1",
        "2017-10-02 00:00:00,1e999,1,30,a",
        "2017-10-02 00:00:00,30,99999999999,30,a",
        "",
        "2017-10-02 00:00:01,30,2,60,a",
    ]
    loaded = read_trace(put(tmp_path, "p.csv", PHILLY + "\n".join(rows)), fleet())
    assert len(loaded.trace.jobs) == 2
    assert loaded.faults == 11
    assert sorted(codes(loaded)) == [
        ("p.csv:10", "row_empty"),
        ("p.csv:11", "row_fields"),
        ("p.csv:12", "row_too_large"),
        ("p.csv:13", "row_too_many"),
        ("p.csv:3", "row_not_time"),
        ("p.csv:4", "row_not_time"),
        ("p.csv:5", "row_too_small"),
        ("p.csv:6", "row_no_time"),
        ("p.csv:7", "row_not_number"),
        ("p.csv:8", "row_not_whole"),
        ("p.csv:9", "row_too_small"),
    ]


def test_a_file_without_any_good_row_is_refused_with_all_findings(tmp_path):
    with pytest.raises(Invalid) as caught:
        read_trace(put(tmp_path, "p.csv", PHILLY + "x,1,1,1,a\ny,1,1,1,a\n"), fleet())
    assert caught.value.code == "simulate.trace_empty"
    assert len(caught.value.findings) == 2


def test_only_the_first_faults_are_listed_but_all_are_counted(tmp_path):
    rows = "2017-10-02 00:00:00,1,1,1,a\n" + "x,1,1,1,a\n" * (FINDINGS_MAX + 50)
    loaded = read_trace(put(tmp_path, "p.csv", PHILLY + rows), fleet())
    assert (loaded.faults, len(loaded.findings)) == (FINDINGS_MAX + 50, FINDINGS_MAX)


def test_missing_columns_are_all_named(tmp_path):
    with pytest.raises(Invalid) as caught:
        read_trace(put(tmp_path, "p.csv", "timestamp,cluster\n1,2\n"), fleet(), form="philly")
    assert {dict(one.params)["column"] for one in caught.value.findings} == {"duration", "num_gpus"}


@pytest.mark.parametrize("content", ["", "\n", "a,b\n1,2\n", "hello", "\x00\x01"])
def test_an_unknown_format_is_refused(tmp_path, content):
    with pytest.raises(Invalid) as caught:
        read_trace(put(tmp_path, "x", content), fleet())
    assert caught.value.code == "simulate.format_unknown"


def test_a_missing_file_and_a_wrong_format_name_are_refused(tmp_path):
    with pytest.raises(NotFound):
        read_trace(tmp_path / "none.csv", fleet())
    with pytest.raises(Invalid) as caught:
        read_trace(put(tmp_path, "x", "y"), fleet(), form="excel")
    assert caught.value.code == "simulate.format_name"


def test_the_contended_preset_drops_jobs_larger_than_their_centre(tmp_path):
    rows = (
        "2017-10-02 00:00:00,30,8,240,e13805\n2017-10-02 00:00:00,30,16,480,e13805\n"
        "2017-09-30 00:00:00,30,1,30,e13805\n2017-10-02 00:00:00,30,1,30,nowhere\n"
    )
    trace = read_trace(put(tmp_path, "p.csv", PHILLY + rows), Wanted()).trace
    assert trace.jobs.devices.tolist() == [8]
    assert trace.fleet.capacity_milli() == 560_000
    assert dict(zip(trace.tenants, trace.weights.tolist(), strict=True))["e13805"] == 8


def test_openb_shares_and_chip_constraints_become_columns(tmp_path):
    rows = (
        "a,1000,100,1,460,,LS,Running,0,50,10\n"
        "b,1000,100,2,1000,A|B,BE,Running,5,50,10\n"
        "c,1000,100,0,0,,BE,Running,6,50,10\n"
        "d,1000,100,1,1000,,BE,Pending,7,50,\n"
        "a,1000,100,1,1000,,LS,Running,8,50,10\n"
        "e,1000,100,1,0,,LS,Running,8,50,10\n"
        "f,1000,100,1,1000,,LS,Running,8,5,10\n"
        "g,1000,100,1,1000,Z,LS,Running,9,50,10\n"
        "h,1000,999999,1,1000,,LS,Running,9,50,10\n"
    )
    loaded = read_trace(put(tmp_path, "o.csv", OPENB + rows), fleet())
    trace, jobs = loaded.trace, loaded.trace.jobs
    assert jobs.id == ("a", "b", "c")
    assert jobs.devices.tolist() == [0, 2, 0]
    assert jobs.milli.tolist() == [460, 0, 0]
    assert jobs.preemptible.tolist() == [False, True, True]
    assert trace.kinds[jobs.kind[1]] == "A|B"
    assert trace.speeds[jobs.kind[1]].tolist() == [1000]
    assert sorted(codes(loaded)) == [
        ("o.csv:6", "row_repeated"),
        ("o.csv:7", "row_share"),
        ("o.csv:8", "row_ends_early"),
    ]
    notes = {note.key: dict(note.params) for note in trace.notes}
    assert notes["openb_never_scheduled"] == {"pods": 1}
    assert notes["too_big"] == {"jobs": 2, "all": 5}


def test_openb_needs_a_fleet(tmp_path):
    row = "a,1000,100,1,460,,LS,Running,0,50,10\n"
    with pytest.raises(Invalid) as caught:
        read_trace(put(tmp_path, "o.csv", OPENB + row), Wanted())
    assert caught.value.code == "simulate.fleet_needed"


def swf(number, submit, run, processors=1, *, asked=-1, limit=-1, user=1) -> str:
    head = f"{number} {submit} 0 {run} {processors} -1 -1 {asked} {limit} -1 1 {user} "
    return head + "-1 -1 -1 -1 -1 -1\n"


@pytest.mark.parametrize("field", range(1, 19))
def test_swf_names_the_field_whose_number_is_too_large(tmp_path, field):
    words = swf(2, 5, 10).split()
    words[field - 1] = "9" * 30
    path = tmp_path / "log.swf"
    path.write_text("; MaxProcs: 8\n" + swf(1, 0, 100) + " ".join(words) + "\n")
    [finding] = read_trace(path, Wanted()).findings
    assert finding.code == "simulate.swf_large"
    for language in ("en", "zh"):
        said = finding.message(language)
        assert str(field) in said.partition(": ")[2]
        assert dict(finding.params)["name"] in said


def test_swf_reads_headers_unknowns_and_limits(tmp_path):
    content = (
        "; MaxNodes: 4\n; MaxProcs: 32\n; UnixStartTime: 1000\n; Note: text\n"
        + swf(1, 0, 100, 8, limit=50)
        + swf(2, 5, -1)
        + swf(3, 6, 10, -1, asked=4)
        + swf(3, 7, 10)
        + swf(4, 8, 10, -1, asked=-1)
        + swf(5, -4, 10)
        + swf(6, 9, -7)
        + "7 8 9\n"
        + swf("x", 9, 7)
        + swf(8, 9, "nan")
        + swf(9, 9, 5, user=-1)
    )
    packed = tmp_path / "log.swf.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    loaded = read_trace(packed, Wanted())
    jobs = loaded.trace.jobs
    assert jobs.id == ("1", "3", "9")
    assert jobs.devices.tolist() == [8, 4, 1]
    assert jobs.wall_us.tolist() == [100_000_000, 0, 0]  # a limit that was not kept is none
    assert loaded.trace.epoch_us == 1_000_000_000
    assert loaded.trace.fleet.devices.tolist() == [8, 8, 8, 8]
    assert loaded.trace.name == "log"
    assert {code for _, code in codes(loaded)} == {
        "row_repeated", "swf_processors", "swf_submit", "row_no_time", "row_fields", "swf_number",
        "swf_large",
    }  # fmt: skip
    assert loaded.faults == 7


def test_a_truncated_packed_file_is_used_as_far_as_it_goes(tmp_path):
    content = "; MaxProcs: 8\n" + "".join(swf(i, i, 10 + i % 7) for i in range(5_000))
    whole = gzip.compress(content.encode(), mtime=0)
    path = tmp_path / "cut.swf.gz"
    path.write_bytes(whole[: len(whole) // 2])
    loaded = read_trace(path, Wanted())
    assert 100 < len(loaded.trace.jobs) < 5_000
    assert "packing_broken" in {code for _, code in codes(loaded)}


def test_gavel_speeds_come_from_the_table(tmp_path):
    rates = {
        chip: {"('A', 1)": {"null": rate}, "('A', 2)": {"null": rate * 2}}
        for chip, rate in {"v100": 10.0, "p100": 5.0, "k80": 0.0, "v100_unconsolidated": 1}.items()
    }
    put(tmp_path, "simulation_throughputs.json", json.dumps(rates))
    line = "\t".join
    put(
        tmp_path,
        "one.trace",
        line(["A", "run", "-s", "1", "100", "0.0", "1"]) + "\n"
        + line(["A", "run", "-s", "1", "100", "3.5", "4"]) + "\n"
        + line(["Q", "run", "-s", "1", "100", "4", "1"]) + "\n"
        + line(["A", "run", "-s", "1", "-1", "4", "1"]) + "\n"
        + "short\tline\n",
    )  # fmt: skip
    put(tmp_path, "two.trace", line(["A", "run", "-s", "1", "50", "1.0", "2"]) + "\n")
    put(tmp_path, "none.trace", "")
    loaded = read_trace(tmp_path, Wanted())
    trace, jobs = loaded.trace, loaded.trace.jobs
    assert trace.tenants == ("one", "two")
    assert jobs.id == ("one-1", "two-1", "one-2")
    assert jobs.service_us.tolist() == [10_000_000, 2_500_000, 5_000_000]
    assert trace.fleet.chips == ("v100", "p100", "k80")
    assert trace.speeds[jobs.kind[0]].tolist() == [1000, 500, 0]
    assert {code for _, code in codes(loaded)} == {"gavel_kind", "row_no_time", "row_fields"}
    notes = {note.key: dict(note.params) for note in trace.notes}
    assert notes["gavel_scaled"] == {"jobs": 1}


def test_gavel_without_its_table_says_so(tmp_path):
    path = put(tmp_path, "a.trace", "A\tb\tc\t1\t1\t0\t1\n")
    with pytest.raises(NotFound) as caught:
        read_trace(path, Wanted())
    assert caught.value.code == "simulate.file_missing"


def test_azure_requests_become_shares_of_a_device(tmp_path):
    content = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:17:03.9799600,1000,10\n2023-11-16 18:17:04.0319600,0,4\n"
        "2023-11-16 18:17:04,1e18,4\n"
    )
    loaded = read_trace(put(tmp_path, "a.csv", content), Wanted())
    assert loaded.trace.jobs.arrive_us.tolist() == [0, 52_000]
    assert loaded.trace.jobs.service_us.tolist() == [350_000, 100_000]
    assert set(loaded.trace.jobs.milli.tolist()) == {62}
    assert loaded.faults == 1


def test_our_own_export_is_read_back(tmp_path):
    lines = [
        {"format": "yunhe-trace", "version": 1},
        {"type": "pool", "id": "p1", "site": "北", "chip": "ascend910b", "devices": 20,
         "price_minor_per_device_hour": 900, "currency": "CNY"},
        {"type": "workload", "id": "w1", "organisation": "o", "submitted_at_us": NOW_US,
         "devices": 2, "chip": "ascend910b", "wall_seconds_max": 100, "run_ms": 5},
        {"type": "workload", "id": "w2", "organisation": "o", "submitted_at_us": NOW_US + 1,
         "devices": 1, "chip": "ascend910b", "state": "waiting"},
        {"type": "workload", "id": "w1", "organisation": "o", "submitted_at_us": 5, "devices": 1,
         "chip": "ascend910b", "run_ms": 5},
        {"type": "workload", "id": "w3", "submitted_at_us": -5, "devices": 1, "chip": "x"},
        {"type": "omen", "id": 7},
    ]  # fmt: skip
    content = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n[1]\n{broken"
    loaded = read_trace(put(tmp_path, "e.jsonl", content), Wanted())
    trace = loaded.trace
    assert trace.jobs.id == ("w1",)
    assert trace.jobs.home.tolist() == [NONE]
    assert trace.fleet.devices.tolist() == [8, 8, 4]
    assert trace.prices is not None
    assert trace.prices.tolist() == [[900]]
    assert sorted(codes(loaded)) == [
        ("e.jsonl:5", "row_repeated"),
        ("e.jsonl:6", "export_field"),
        ("e.jsonl:8", "export_line"),
        ("e.jsonl:9", "export_line"),
    ]


def test_an_export_of_another_version_is_refused(tmp_path):
    path = put(tmp_path, "e.jsonl", '{"format": "yunhe-trace", "version": 9}\n')
    with pytest.raises(Invalid) as caught:
        read_trace(path, Wanted())
    assert caught.value.code == "simulate.export_version"


def test_a_fleet_table_with_faulty_rows_is_refused_whole(tmp_path):
    path = put(tmp_path, "f.csv", "site,chip,nodes,devices\na,g,2,8\nb,g,x,8\nc,g,0,8\n")
    with pytest.raises(Invalid) as caught:
        read_fleet(path)
    assert [finding.where for finding in caught.value.findings] == ["f.csv:3", "f.csv:4"]


def test_a_fleet_table_gives_nodes_domains_and_prices(tmp_path):
    path = put(
        tmp_path,
        "f.csv",
        "site,chip,nodes,devices,domain_nodes,price_minor,currency\n"
        "a,g,3,8,2,100,CNY\nb,h,1,4,,50,CNY\na,h,1,4,,70,CNY\n",
    )
    found = read_fleet(path)
    assert found.fleet.sites == ("a", "b")
    assert found.fleet.site.tolist() == [0, 0, 0, 0, 1]
    assert found.fleet.domain.tolist() == [0, 0, 1, 1, 2]
    assert found.prices is not None
    assert found.prices.tolist() == [[100, 70], [0, 50]]


def test_two_currencies_in_one_fleet_are_refused():
    with pytest.raises(Invalid):
        supply(
            [
                Rack("a", "g", 1, 8, price_minor=1, currency="CNY"),
                Rack("b", "g", 1, 8, price_minor=1, currency="EUR"),
            ],
            name="x",
        )


def test_reach_and_transfer_limit_and_delay_sites(tmp_path):
    rows = "2017-10-02 00:00:00,30,1,30,a\n"
    supplied = supply([Rack(site, "g", 1, 8) for site in "abcd"], name="t")
    wanted = Wanted(supplied, reach=1, transfer_seconds=7)
    trace = read_trace(put(tmp_path, "p.csv", PHILLY + rows), wanted).trace
    assert trace.eligible.sum(axis=1).tolist() == [2, 2, 2, 2]
    assert trace.eligible[3].tolist() == [True, False, False, True]
    assert trace.transfer_us[0].tolist() == [0, 7_000_000, 7_000_000, 7_000_000]


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_whatever_break_a_reader(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "any.csv"
    for head in (PHILLY.encode(), b"; MaxProcs: 4\n", b'{"format": "yunhe-trace", "version": 1}\n'):
        path.write_bytes(head + content)
        said, jobs = "", 0
        try:
            jobs = len(read_trace(path, Wanted()).trace.jobs)
        except Invalid as error:
            said = error.message("zh")
        assert bool(said) != bool(jobs)  # either jobs or a sentence, never a crash


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 40)),
        min_size=1,
        max_size=40,
    )
)
def test_whatever_is_read_arrives_in_order_with_limits_above_run_times(tmp_path_factory, rows):
    content = "; MaxNodes: 4\n; MaxProcs: 32\n" + "".join(
        swf(i, at, run, devices, limit=run // 2) for i, (at, run, devices) in enumerate(rows)
    )
    path = tmp_path_factory.mktemp("swf") / "a.swf"
    path.write_text(content, encoding="utf-8")
    if all(devices > 32 for _, _, devices in rows):
        with pytest.raises(Invalid, match="fits anywhere"):
            read_trace(path, Wanted())
        return
    jobs = read_trace(path, Wanted()).trace.jobs
    assert len(jobs) == sum(devices <= 32 for _, _, devices in rows)
    assert (np.diff(jobs.arrive_us) >= 0).all()
    assert ((jobs.wall_us == 0) | (jobs.wall_us >= jobs.service_us)).all()


def test_an_empty_line_is_no_row_and_lines_are_counted_as_in_an_editor():
    problems = Problems("x")
    rows = read_csv("x", "a,b\n1,2\n\n3\n4,5\n", problems, needed=["a"])
    assert rows.lines.tolist() == [2, 5]
    assert [finding.where for finding in problems.findings] == ["x:4"]


@real
def test_the_real_philly_trace_gives_the_fact_sheets_jobs():
    loaded = read_trace(TRACES / "philly-sia" / "philly.csv", Wanted())
    assert (loaded.rows, loaded.faults, len(loaded.trace.jobs)) == (82_247, 0, 68_485)
    assert loaded.trace.fleet.capacity_milli() == 560_000
    assert set(loaded.trace.fleet.sites) == set(CONTENDED)
    assert loaded.trace.jobs.service_us.mean() / 1e6 == pytest.approx(11_484, abs=1)


@real
def test_the_real_openb_gavel_and_azure_traces_have_no_faulty_row():
    folder = TRACES / "alibaba-gpu-v2023"
    nodes = read_fleet(folder / "openb_node_list_all_node.csv")
    assert (len(nodes.fleet), nodes.fleet.capacity_milli()) == (1_523, 6_212_000)
    pods = read_trace(folder / "openb_pod_list_default.csv", Wanted(nodes))
    assert (pods.rows, pods.faults, len(pods.trace.jobs)) == (8_152, 0, 7_255)
    gavel = read_trace(TRACES / "gavel" / "msr", Wanted())
    assert (gavel.rows, gavel.faults) == (15_264, 0)
    azure = read_trace(TRACES / "azure-llm" / "AzureLLMInferenceTrace_conv.csv", Wanted())
    assert (azure.rows, azure.faults) == (19_366, 0)
    spot = read_fleet(TRACES / "alibaba-spot-v2026" / "node_info_df.csv")
    assert len(spot.fleet) == 4_278


@real
def test_a_list_of_pods_without_times_cannot_be_replayed():
    with pytest.raises(Invalid) as caught:
        read_trace(TRACES / "alibaba-gpu-v2023" / "openb_pod_list_multigpu20.csv", Wanted())
    assert len(caught.value.findings) == 5


def test_formats_are_recognised_by_their_first_line():
    assert recognised("a", PHILLY) == "philly"
    assert recognised("a", "; Version: 2\n") == "swf"
    assert recognised("a", swf(1, 2, 3)) == "swf"
    assert recognised("a", '{"format": "yunhe-trace"}') == "yunhe"
