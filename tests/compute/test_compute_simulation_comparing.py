"""Policies side by side: the same question gives the same sheet, and every page stands alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from yunhe.compute.scheduling.policies import PRESETS
from yunhe.compute.simulation import comparing
from yunhe.compute.simulation.comparing import Asked
from yunhe.compute.simulation.domain import NONE, Note, Run, Stretches, Trace
from yunhe.compute.simulation.faults import Weather
from yunhe.compute.simulation.figures import measure
from yunhe.compute.simulation.report.page import render
from yunhe.compute.simulation.report.wording import Words
from yunhe.kernel.errors import Finding, Invalid

WIDE = Console(width=1_000)
TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"


def quiet(*_: object) -> None:
    """No progress."""


def sheet_of(asked: Asked, **more):
    return comparing.compare(asked, comparing.load(asked), progress=quiet, **more)


@pytest.fixture(scope="module")
def sheet():
    return sheet_of(Asked(policies=("fifo", "first_fit"), first=None), command=["yunhe", "x"])


def first_come(trace: Trace) -> Run:
    """A loop of a few lines, with one queue that never overtakes: what the real one is held to."""
    jobs, free = trace.jobs, np.zeros(trace.fleet.capacity_milli() // 1000, np.int64)
    start = np.zeros(len(jobs), np.int64)
    earliest = 0
    for job in range(len(jobs)):
        need = int(jobs.devices[job])
        order = np.argsort(free, kind="stable")[:need]
        earliest = start[job] = max(int(jobs.arrive_us[job]), int(free[order].max()), earliest)
        free[order] = earliest + jobs.service_us[job]
    end = start + jobs.service_us
    rows = np.arange(len(jobs))
    zeros = np.zeros(len(jobs), np.int64)
    return Run(
        policy="first come",
        first_start_us=start,
        end_us=end,
        waited_us=start - jobs.arrive_us,
        run_us=jobs.service_us,
        lost_us=zeros,
        preemptions=zeros.astype(np.int32),
        failures=zeros.astype(np.int32),
        site=zeros.astype(np.int32),
        chip=zeros.astype(np.int16),
        stretches=Stretches(
            job=rows.astype(np.int32),
            start_us=start,
            end_us=end,
            site=zeros.astype(np.int32),
            chip=zeros.astype(np.int16),
            ended=zeros.astype(np.int8),
        ),
        stopped_us=int(end.max()),
        decisions=len(jobs),
        passes=len(jobs),
        engine_cpu_seconds=0.0,
    )


def test_on_one_node_first_come_is_what_ten_lines_say(tmp_path):
    fleet = tmp_path / "fleet.csv"
    fleet.write_text("site,chip,nodes,devices\none,gpu,1,32\n", encoding="utf-8")
    asked = Asked(fleet=fleet, policies=("fifo",), whole=True)
    loaded = comparing.load(asked)
    loaded = replace(
        loaded,
        trace=replace(
            loaded.trace,
            jobs=replace(loaded.trace.jobs, kind=np.full_like(loaded.trace.jobs.kind, NONE)),
        ),
    )
    found = comparing.compare(asked, loaded, progress=quiet).figures[0]
    plain = measure(loaded.trace, first_come(loaded.trace), whole=True)
    assert found.classes == plain.classes
    assert found.utilisation == pytest.approx(plain.utilisation)


def test_the_same_question_gives_the_same_figures_but_for_processor_time(sheet):
    again = sheet_of(Asked(policies=("fifo", "first_fit")), command=["yunhe", "x"])
    for one, two in zip(sheet.figures, again.figures, strict=True):
        level = {"engine_cpu_seconds": 0.0, "decisions_per_cpu_second": 0.0}
        assert replace(one, **level) == replace(two, **level)


def test_each_policy_accounts_for_every_job(sheet):
    for one in sheet.figures:
        assert one.unfinished == 0
        assert 0 < one.utilisation <= 1
        assert one.cost_minor is not None
        assert one.cost_minor > 0
        held = sum(spent.device_hours for spent in one.spent)
        assert held >= sheet.load * 0.9 * sheet.devices  # every hour asked for was held


def test_a_site_of_ones_own_is_worse_than_the_pool():
    sheet = sheet_of(Asked(policies=("first_fit",)), siloed=True)
    pooled, siloed = sheet.figures
    assert (pooled.policy, siloed.policy) == ("first_fit", "first_fit@home")
    assert siloed.unfinished > 0 or (
        siloed.wait_seconds_mean_whole > pooled.wait_seconds_mean_whole
    )


def test_faults_cost_time_and_are_noted_with_their_seed():
    weather = Weather(seed=3, node_mtbf_hours=12, node_mttr_hours=2)
    sheet = sheet_of(Asked(policies=("first_fit",), weather=weather))
    calm = sheet_of(Asked(policies=("first_fit",), weather=Weather(seed=3)))
    assert sheet.figures[0].failures > 0
    assert sheet.figures[0].lost_device_hours > 0 == calm.figures[0].lost_device_hours
    note = next(note for note in sheet.notes if note.key == "faults")
    assert dict(note.params)["seed"] == 3


def test_guesses_blind_the_policy_that_orders_by_run_time():
    knowing = sheet_of(Asked(policies=("shortest",)))
    guessing = sheet_of(Asked(policies=("shortest",), estimates=100))
    assert guessing.figures[0].wait_seconds_mean_whole > knowing.figures[0].wait_seconds_mean_whole


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        ("las:restart_us=5", "restart_us", 5),
        ("yunhe:preempts=true,tilt_us=0", "preempts", True),
        ("las:levels_us=1/2/3", "levels_us", (1, 2, 3)),
        ("fifo:overtaking=always", "overtaking", "always"),
    ],
)
def test_settings_of_a_policy_can_be_changed(said, field, value):
    ((name, policy, siloed),) = comparing.policies([said])
    assert (name, getattr(policy, field), siloed) == (said, value, False)


def test_every_wrong_policy_is_named_at_once():
    with pytest.raises(Invalid) as caught:
        comparing.policies(
            ["best", "las:restart_us=soon", "las:colour=1", "fifo:preempts=2", "fifo"]
        )
    assert len(caught.value.findings) == 4


def test_the_list_of_policies_can_be_given_back():
    for name, changed in comparing.policy_names().items():
        ((_, policy, _),) = comparing.policies([f"{name}:{changed}"])
        assert policy == PRESETS[name]


def test_a_day_that_is_none_is_refused():
    with pytest.raises(Invalid) as caught:
        comparing.load(Asked(path=Path(__file__), since="tomorrow"))
    assert caught.value.code == "simulate.day_invalid"


class Page(HTMLParser):
    """Ids, addresses and open tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids, self.addresses, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("src", "href") if name in given]
        if tag not in {"meta", "input", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_stands_alone_in_both_languages(sheet, language):
    page = render(sheet, language=language)
    parsed = Page()
    parsed.feed(page)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.addresses == []
    assert not re.search(r"url\(|@import|<script", page)
    assert "simulate." not in page  # every text was found
    assert page == render(sheet, language=language)
    (opening,) = re.findall(r'id="show-(..)" autocomplete="off" checked', page)
    assert opening == language


def test_what_a_trace_is_called_cannot_become_code(sheet):
    evil = replace(
        sheet,
        trace="<script>alert(1)</script>",
        command="yunhe '<b>'",
        findings=(Finding("<i>x</i>:1", "simulate.row_empty", (("column", "<u>"),)),),
        faults=1,
        notes=(Note("first_jobs", {"kept": 1, "all": 2}),),
    )
    page = render(evil, language="en")
    assert not re.search(r"<(script|b|i|u)>", page)
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("policies", [2, 3, 8])
def test_the_tables_fit_a_terminal(sheet, language, policies):
    one = replace(sheet.figures[0], policy="las:restart_us=300000000,preempts=false")
    many = replace(sheet, figures=(one,) * policies)
    tables = [
        part for part in comparing.told(many, language, findings=2) if isinstance(part, Table)
    ]
    assert len(tables) == 4  # all jobs; waits, times to the end and slowdowns by size
    for table in tables:
        assert Measurement.get(WIDE, WIDE.options, table).maximum <= 80


def test_faults_are_shown_and_the_rest_counted(sheet):
    finding = Finding("a:1", "simulate.row_empty", (("column", "x"),))
    faulty = replace(sheet, findings=(finding,) * 5, faults=9)
    text = "\n".join(map(str, comparing.told(faulty, "en", findings=2)))
    assert text.count("a:1") == 2
    assert "7 more" in text


def test_the_answer_for_programs_is_json_and_the_files_are_whole(sheet, tmp_path):
    page = comparing.write(sheet, tmp_path / "deep" / "out", "zh")
    told = json.loads((page.parent / "figures.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(comparing.as_json(sheet, "zh")))
    assert told["figures"][0]["classes"][0]["wait_seconds"]["mean"] > 0
    assert sorted(one.name for one in page.parent.iterdir()) == ["figures.json", "report.html"]


@settings(deadline=None)
@given(st.floats(0, 1e9, allow_nan=False))
def test_durations_have_a_unit_and_stay_short(seconds):
    for language in ("en", "zh"):
        said = Words(language).duration(seconds)
        assert len(said) <= 12
        assert re.search(r"\d", said)


@pytest.mark.slow
@pytest.mark.skipif(not TRACES.is_dir(), reason="the traces are not beside the project")
def test_contended_philly_comes_near_the_fact_sheet():
    path = TRACES / "philly-sia" / "philly.csv"
    sheet = sheet_of(Asked(path=path, policies=("fifo", "first_fit", "shortest"), whole=True))
    waits = {one.policy: one.wait_seconds_mean_whole for one in sheet.figures}
    assert waits["first_fit"] == pytest.approx(8_366, rel=0.1)
    assert waits["shortest"] == pytest.approx(3_339, rel=0.1)
    assert waits["fifo"] == pytest.approx(152_570, rel=0.15)
