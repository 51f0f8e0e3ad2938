"""The parts that readers and pages are made of, held to plain Python on anything a file can say."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_simulation_replaying import jobs_drawn, trace_of

from yunhe.compute.simulation.figures import _integral, _steps
from yunhe.compute.simulation.report.lines import Line, Tick, lines
from yunhe.compute.simulation.report.wording import Words
from yunhe.compute.simulation.traces.building import (
    Wanted,
    fitting,
    pick,
    reach_of,
    without_impossible,
)
from yunhe.compute.simulation.traces.fleets import Rack, read_fleet, supply
from yunhe.compute.simulation.traces.table import Problems, load, micros, read_csv
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.reports.charts import Caption

WORDS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(-1e9, 1e9, allow_nan=False).map(repr),
    st.sampled_from(["", " 7 ", "+5", "1e3", "1e999", "-0", ".5", "5.", "0x1f", "1_000", "inf",
                     "NaN", "٣", "7,", "一", "1 2"]),
)  # fmt: skip


def rows_of(column, values):
    problems = Problems("x")
    content = f"{column},other\n" + "".join(f'"{value}",0\n' for value in values)
    return read_csv("x", content, problems, needed=[column]), problems


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=20))
def test_numbers_are_what_python_reads_and_the_rest_are_faults(values):
    rows, problems = rows_of("n", values)
    found = rows.numbers("n")
    for value, number, good in zip(values, found.tolist(), rows.good.tolist(), strict=True):
        plain = value.strip()
        sound = plain.isascii() and plain.replace("_", "") == plain
        try:
            expected = float(plain) if sound else math.nan
        except ValueError:
            expected = math.nan
        if math.isfinite(expected) and abs(expected) <= 1e15:
            assert (number, good) == (expected, True)
        else:
            assert (number, good) == (0, False)
    assert problems.count == int((~rows.good).sum())


@settings(deadline=None)
@given(st.lists(st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1)), min_size=1, max_size=20))  # noqa: DTZ001
def test_times_are_what_python_reads(moments):
    for separator in (" ", "T"):
        rows, problems = rows_of("t", [moment.isoformat(separator) for moment in moments])
        expected = [
            round(moment.replace(tzinfo=UTC, microsecond=0).timestamp()) * 10**6
            + moment.microsecond
            for moment in moments
        ]
        assert rows.times("t").tolist() == expected
        assert problems.count == 0


@pytest.mark.parametrize(
    "said", ["2017-02-30 00:00:00", "2017-01-01", "2017-01-01 25:00:00", "1969-01-01 00:00:00", "x"]
)
def test_times_that_are_none_are_faults_and_spare_their_neighbours(said):
    rows, problems = rows_of("t", ["2017-01-01 00:00:00", said])
    assert rows.times("t").tolist() == [1_483_228_800_000_000, 0]
    assert [finding.where for finding in problems.findings] == ["x:3"]


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30))
def test_the_first_of_equal_names_is_kept(names):
    rows, problems = rows_of("id", names)
    assert rows.names("id") == names
    kept = [name for name, good in zip(names, rows.good.tolist(), strict=True) if good]
    assert kept == list(dict.fromkeys(names))
    assert problems.count == len(names) - len(kept)


@settings(deadline=None)
@given(st.floats(-1e30, 1e30, allow_nan=False))
def test_no_time_overflows_when_it_becomes_microseconds(seconds):
    found = int(micros(np.array([seconds]))[0])
    if abs(seconds) <= 1e9:
        assert found == pytest.approx(seconds * 1e6, abs=1)
    else:
        assert math.copysign(1, found) == math.copysign(1, seconds)


def test_bytes_that_are_no_text_cost_only_their_row(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfn,m\r\n1,2\r\n\xff\xfe,3\r\n4,5\r\n")
    problems = Problems("x.csv")
    rows = read_csv("x.csv", load(path, problems), problems, needed=["n", "m"])
    assert rows.numbers("n").tolist() == [1, 0, 4]
    assert [finding.where for finding in problems.findings] == ["x.csv:3"]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(NotFound):
        load(tmp_path, Problems("x"))


def brute(trace, job) -> bool:
    """Whether some one site and chip has room, counted node by node."""
    jobs, fleet = trace.jobs, trace.fleet
    devices = int(jobs.devices[job])
    for site in range(len(fleet.sites)):
        if jobs.pinned[job] and site != jobs.home[job]:
            continue
        if not jobs.pinned[job] and not trace.eligible[jobs.home[job], site]:
            continue
        for chip in range(len(fleet.chips)):
            if trace.speeds[jobs.kind[job], chip] <= 0:
                continue
            nodes = [
                int(fleet.devices[node])
                for node in range(len(fleet))
                if fleet.site[node] == site and fleet.chip[node] == chip
            ]
            if nodes and (max(nodes) >= devices or sum(nodes) >= devices > 8):
                return True
    return False


@settings(deadline=None)
@given(rows=jobs_drawn, sizes=st.lists(st.integers(1, 40), min_size=25, max_size=25))
def test_what_fits_nowhere_is_what_a_count_of_nodes_says(rows, sizes):
    trace = trace_of(rows)
    devices = np.array(sizes[: len(rows)], np.int32)
    trace = replace(
        trace,
        jobs=replace(trace.jobs, devices=devices),
        eligible=np.array([[True, False], [True, True]]),
    )
    expected = [brute(trace, job) for job in range(len(rows))]
    assert fitting(trace).tolist() == expected
    if any(expected):
        kept = without_impossible(trace)
        assert len(kept.jobs) == sum(expected)
        assert bool(kept.notes) == (not all(expected))
    else:
        with pytest.raises(Invalid):
            without_impossible(trace)


@settings(deadline=None)
@given(rows=jobs_drawn, data=st.data())
def test_picked_jobs_keep_their_columns_together(rows, data):
    jobs = trace_of(rows).jobs
    chosen = data.draw(st.lists(st.integers(0, len(jobs) - 1), unique=True).map(sorted))
    some = pick(jobs, np.array(chosen, np.intp))
    assert list(some.id) == [jobs.id[place] for place in chosen]
    assert some.devices.tolist() == [int(jobs.devices[place]) for place in chosen]


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 9))
def test_a_limited_reach_is_home_and_so_many_others(sites, others):
    eligible, _, notes = reach_of(sites, Wanted(reach=others))
    assert eligible.diagonal().all()
    assert set(eligible.sum(axis=1).tolist()) == {min(others + 1, sites)}
    assert bool(notes) == (others < sites - 1)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.integers(0, 3)),
        min_size=1,
        max_size=6,
    )
)
def test_fabric_domains_never_cross_sites_and_are_never_too_large(drawn):
    racks = [Rack(site, "g", nodes, 8, domain_nodes=size) for site, nodes, size in drawn]
    fleet = supply(racks, name="x").fleet
    assert len(fleet) == sum(nodes for _, nodes, _ in drawn)
    assert (np.diff(fleet.site) >= 0).all()
    assert (np.diff(fleet.domain) >= 0).all()
    for domain in set(fleet.domain.tolist()):
        assert len(set(fleet.site[fleet.domain == domain].tolist())) == 1
    if all(size for _, _, size in drawn):
        assert np.bincount(fleet.domain).max() <= max(size for _, _, size in drawn)


def test_node_lists_of_alibaba_are_recognised_by_their_columns(tmp_path):
    openb = tmp_path / "o.csv"
    openb.write_text("sn,cpu_milli,memory_mib,gpu,model\nn0,100,200,0,\nn1,100,200,2,T4\n", "utf-8")
    found = read_fleet(openb).fleet
    assert found.chip.tolist() == [-1, 0]
    assert found.devices.tolist() == [0, 2]
    spot = tmp_path / "s.csv"
    spot.write_text("gpu_model,gpu_capacity_num,cpu_num,node_name\nA10,1,128,0\n", "utf-8")
    assert read_fleet(spot).fleet.cpu_milli.tolist() == [128_000]


@pytest.mark.parametrize(
    "rows", ["a,,2,8", "a,g,0,8", "a,g,2000000,8", "a,g,1,5000", "a,g,1", "", "a,g,1,8,9"]
)
def test_a_fleet_that_cannot_be_is_refused(tmp_path, rows):
    path = tmp_path / "f.csv"
    path.write_text(f"site,chip,nodes,devices\n{rows}\n", "utf-8")
    with pytest.raises(Invalid) as caught:
        read_fleet(path)
    assert caught.value.message("zh")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(-3, 3)), min_size=1, max_size=15),
    st.integers(0, 60),
)
def test_the_integral_of_steps_is_the_sum_of_its_seconds(changes, until):
    at, change = (np.array(column, np.int64) for column in zip(*changes, strict=True))
    found = _integral(_steps(at, change), np.array([until], np.int64))[0]
    expected = sum(
        sum(step for moment, step in changes if moment <= second) for second in range(until)
    )
    assert found == expected


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-1, 2, allow_nan=False), st.floats(-1, 2, allow_nan=False)),
            max_size=5,
        ),
        max_size=10,
    )
)
def test_lines_stay_inside_their_field_and_look_different(series):
    rows = [Line(f"<{place}>", place, points) for place, points in enumerate(series)]
    drawn = str(
        lines(rows, across=[Tick(0, "a"), Tick(1, "b")], up=[Tick(1, "c")],
              caption=Caption("id", "title", "said"))
    )  # fmt: skip
    assert drawn.count("<path") == sum(bool(points) for points in series)
    for path in drawn.split(' d="M')[1:]:
        numbers = [float(n) for n in path.split('"')[0].replace("L", "").split()]
        assert all(0 <= number <= 1000 for number in numbers)
    assert "<0>" not in drawn


def test_a_long_line_is_drawn_to_its_end():
    points = [(place / 999, place / 999) for place in range(1000)]
    caption = Caption("id", "title", "said")
    drawn = str(lines([Line("x", 0, points)], across=[], up=[], caption=caption))
    pieces = [path.split('"')[0].split(" L") for path in drawn.split(' d="M')[1:]]
    assert pieces[-1][-1] == "1000 0"
    assert all(one[-1] == two[0] for one, two in itertools.pairwise(pieces))
    assert sum(map(len, pieces)) == 1000 + len(pieces) - 1


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (0, "0.00 s", "0.00 秒"),
        (119, "119 s", "119 秒"),
        (120, "2.00 min", "2.00 分"),
        (7_200, "2.00 h", "2.00 时"),
        (172_800, "2.00 d", "2.00 天"),
        (86_400 * 1234, "1,234 d", "1,234 天"),
    ],
)
def test_durations_are_said_in_the_largest_fitting_unit(seconds, en, zh):
    assert (Words("en").duration(seconds), Words("zh").duration(seconds)) == (en, zh)


def test_money_without_prices_is_a_dash():
    assert Words("en").money(None, "CNY") == "–"
    assert Words("en").money(123_456, "CNY") == "1,234.56 CNY"


def test_every_note_and_policy_has_a_sentence_in_both_languages():
    source = Path(__file__).parents[2] / "src" / "yunhe" / "compute" / "simulation"
    keys = {
        part.split('"')[1]
        for path in source.rglob("*.py")
        for part in path.read_text("utf-8").replace("Note(\n        ", "Note(").split("Note(")[1:]
        if part.startswith('"')
    }
    assert len(keys) > 15
    for key in keys:
        for language in ("en", "zh"):
            assert not Words(language).say(f"note.{key}").startswith("simulate."), key
