"""What is asked of a simulation, what is written down of it, and what a killed writer leaves."""

from __future__ import annotations

import fcntl
import importlib
import json
import multiprocessing
import os
import shlex
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.cli.simulating import _command
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.policies import PRESETS, Policy
from yunhe.compute.scheduling.state import AwardView, Picture, PoolView, Request
from yunhe.compute.simulation import comparing, exporting, recording, store
from yunhe.compute.simulation.comparing import Asked
from yunhe.compute.simulation.domain import Note
from yunhe.compute.simulation.example import JOBS, example
from yunhe.compute.simulation.exporting import write
from yunhe.compute.simulation.faults import HOUR_US, Weather, faults, with_estimates
from yunhe.compute.simulation.recording import Journal, plain, replayed, revived
from yunhe.compute.simulation.report.wording import Words
from yunhe.compute.simulation.traces.building import Wanted
from yunhe.kernel.errors import Invalid

DAY_US = 24 * HOUR_US


def quiet(*_: object) -> None:
    """No progress."""


# --- Policies by name --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "fifo:restart_us=-1",
        "fifo:restart_us=",
        "fifo:restart_us=1/2",
        "fifo:restart_us=1.5",
        "fifo:restart_us=true",
        "fifo:order=random",
        "fifo:order=",
        "fifo:overtaking=Never",
        "fifo:choice=",
        "fifo:shared=1",
        "fifo:shared=True",
        "fifo:levels_us=-1/2",
        "fifo:levels_us=a/b",
        "fifo:name=best",
        "fifo:__class__=x",
        "fifo:__slots__=x",
        "fifo:patience_of=1",
        "fifo:colour=red",
        "fifo:=",
        "fifo:order",
        "FIFO",
        "",
        ":order=submission",
        "fifo@home@home",
        "@home",
    ],
)
def test_no_setting_that_is_none_of_a_policy_is_taken(said) -> None:
    with pytest.raises(Invalid) as caught:
        comparing.policies([said])
    assert len(caught.value.findings) == 1
    assert caught.value.message("zh")


@pytest.mark.parametrize(
    ("said", "setting", "value"),
    [
        ("fifo:restart_us=0", "restart_us", 0),
        ("fifo:order=attained", "order", "attained"),
        ("fifo:levels_us=1/2/3", "levels_us", (1, 2, 3)),
        ("las:levels_us=", "levels_us", ()),
        ("las:preempts=false", "preempts", False),
        ("fifo:restart_us=1,restart_us=2", "restart_us", 2),
        ("fifo:,,restart_us=7,", "restart_us", 7),
    ],
)
def test_a_setting_is_taken_in_its_own_type(said, setting, value) -> None:
    ((name, policy, siloed),) = comparing.policies([said])
    assert (name, siloed) == (said, False)
    assert getattr(policy, setting) == value
    assert type(getattr(policy, setting)) is type(value)


def test_every_setting_of_every_preset_can_be_given() -> None:
    for name, preset in PRESETS.items():
        for one in fields(Policy):
            if one.name == "name":
                continue
            said = comparing._told(getattr(preset, one.name))
            ((_, policy, _),) = comparing.policies([f"{name}:{one.name}={said}"])
            assert policy == preset


@pytest.mark.parametrize(("count", "good"), [(20, True), (21, False)])
def test_so_many_policies_are_compared_and_no_more(count, good) -> None:
    names = [f"fifo:restart_us={number}" for number in range(count)]
    if good:
        assert len(comparing.policies(names + names)) == 20
        return
    with pytest.raises(Invalid):
        comparing.policies(names)


def test_siloed_adds_each_policy_once_at_home() -> None:
    asked = Asked(policies=("fifo", "first_fit@home", "first_fit"), first=60)
    sheet = comparing.compare(asked, comparing.load(asked), progress=quiet, siloed=True)
    assert [one.policy for one in sheet.figures] == [
        "fifo", "first_fit@home", "first_fit", "fifo@home"]  # fmt: skip


def test_progress_is_told_from_nothing_to_all() -> None:
    told: list[tuple[str, int, int]] = []
    asked = Asked(policies=("fifo", "first_fit"), first=60)
    comparing.compare(asked, comparing.load(asked), progress=lambda *one: told.append(one))
    assert told == [("simulate.replaying", done, 2) for done in range(3)]


@pytest.mark.parametrize(("estimates", "column"), [(None, "service_us"), (3, "wall_us")])
def test_only_an_oracle_sees_run_times_and_only_guesses_where_there_are_any(
    monkeypatch, estimates, column
) -> None:
    seen: dict[str, object] = {}

    loop = importlib.import_module("yunhe.compute.simulation.loop")
    real = loop.replay

    def watched(trace, policy, **more):
        seen[policy.name] = more["expected_us"]
        return real(trace, policy, **more)

    monkeypatch.setattr(loop, "replay", watched)
    asked = Asked(policies=("shortest", "yunhe"), first=60, estimates=estimates)
    loaded = comparing.load(asked)
    comparing.compare(asked, loaded, progress=quiet)
    assert seen["yunhe"] is None
    assert seen["shortest"].tolist() == getattr(loaded.trace.jobs, column).tolist()


# --- The example and the line that repeats it --------------------------------------------------


@pytest.mark.parametrize("first", [1, 7, JOBS - 1, JOBS, JOBS + 1])
def test_the_first_jobs_of_the_example_are_those_of_the_whole(first) -> None:
    whole, some = example(), example(Wanted(first=first))
    count = min(first, JOBS)
    assert some.jobs.id == whole.jobs.id[:count]
    assert some.jobs.service_us.tolist() == whole.jobs.service_us[:count].tolist()
    notes = [dict(note.params) for note in some.notes if note.key == "first_jobs"]
    assert notes == ([{"kept": first, "all": JOBS}] if first < JOBS else [])


def test_the_example_is_as_loaded_as_it_says_and_another_seed_is_another() -> None:
    assert comparing._load(example()) == pytest.approx(0.75, rel=0.02)
    assert example(seed=1).jobs.service_us.tolist() != example().jobs.service_us.tolist()
    assert example().jobs.service_us.tolist() == example().jobs.service_us.tolist()


GIVEN = {
    "trace": None, "policy": (), "policies": False, "example": True, "out": None, "form": None,
    "fleet": None, "siloed": False, "whole": False, "since": None, "until": None, "first": None,
    "reach": None, "transfer": 0, "estimates": None, "node_mtbf": 0, "node_mttr": 4,
    "site_mtbf": 0, "site_mttr": 6, "seed": 42, "throughputs": None, "record": None,
    "journal": None, "keep": None, "cities": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({}, ""),
        ({"reach": 0}, "--reach 0"),
        ({"reach": 1}, "--reach 1"),
        ({"node_mtbf": 5, "node_mttr": 0}, "--node-mtbf 5 --node-mttr 0"),
        ({"site_mtbf": 5, "site_mttr": 0}, "--site-mtbf 5 --site-mttr 0"),
        ({"node_mttr": 4}, ""),
        ({"first": 1, "whole": True}, "--whole --first 1"),
        ({"policy": ("a b", "c")}, "--policy 'a b' --policy c"),
        ({"fleet": Path("/home/somebody/f.csv")}, "--fleet f.csv"),
        ({"out": Path("/x")}, ""),
        ({"siloed": True, "transfer": 1}, "--siloed --transfer 1"),
    ],
)
def test_the_line_that_repeats_it_leaves_nothing_out_that_was_chosen(over, words) -> None:
    said = shlex.join(_command({**GIVEN, **over}))
    middle = said.removeprefix("yunhe simulate").removesuffix("--seed 42")
    assert " ".join(middle.replace("--example", "").split()) == words
    assert "--example" in said
    assert shlex.join(_command({**GIVEN, "seed": 0})).endswith("--seed 0")


@pytest.mark.parametrize(
    ("said", "us"),
    [
        ("1970-01-01", 0),
        ("2017-10-01", 1_506_816_000_000_000),
        ("2017-10-01T00:00:00+08:00", 1_506_787_200_000_000),
        ("2017-10-01T00:00:00.000001", 1_506_816_000_000_001),
        ("20171001", 1_506_816_000_000_000),
        (None, None),
    ],
)
def test_a_day_is_that_of_utc_unless_it_says_otherwise(said, us) -> None:
    assert comparing._day(said) == us


@pytest.mark.parametrize("said", ["", "2017", "2017-02-29", "1.10.2017", "today", "2017-10-01Z+1"])
def test_a_day_that_is_none_is_refused(said) -> None:
    with pytest.raises(Invalid):
        comparing._day(said)


# --- Bad days ----------------------------------------------------------------------------------


def test_jobs_that_arrive_all_at_once_meet_bad_days_too() -> None:
    """Nothing arrives after the first instant, and the work still lasts for days."""
    asked = Asked(policies=("first_fit",), weather=Weather(node_mtbf_hours=10), whole=True)
    loaded = comparing.load(asked)
    jobs = replace(loaded.trace.jobs, arrive_us=np.zeros_like(loaded.trace.jobs.arrive_us))
    loaded = replace(loaded, trace=replace(loaded.trace, jobs=jobs))
    sheet = comparing.compare(asked, loaded, progress=quiet)
    (events,) = [dict(note.params)["events"] for note in sheet.notes if note.key == "faults"]
    assert events > 0
    assert sheet.figures[0].failures > 0
    assert sheet.figures[0].unfinished == 0


def test_later_bad_days_never_change_the_earlier_ones() -> None:
    fleet, weather = example().fleet, Weather(3, 40, 4, 200, 6)
    short, long = (faults(fleet, weather, until_us=days * DAY_US) for days in (3, 40))
    before = long.at_us < DAY_US
    head = short.at_us < DAY_US
    for name in ("at_us", "node", "up"):
        assert getattr(long, name)[before].tolist() == getattr(short, name)[head].tolist()


@pytest.mark.parametrize("worst", [1, 2, 1000])
def test_guesses_are_never_below_the_truth_nor_beyond_the_worst(worst) -> None:
    trace = example()
    found = with_estimates(trace, seed=5, worst=worst)
    assert (found.jobs.wall_us >= trace.jobs.service_us).all()
    assert (found.jobs.wall_us <= trace.jobs.service_us * worst + 1).all()
    assert found.jobs.service_us.tolist() == trace.jobs.service_us.tolist()
    assert found.notes[-1] == Note("estimates", {"worst": worst, "seed": 5})


# --- The journal -------------------------------------------------------------------------------


def picture(number: int = 1) -> Picture:
    return Picture(
        pools=(PoolView("p", "cpu", 4, 1, 3_600, "CNY"),),
        awards=(AwardView("a", "u", "cpu", 10**9, 10**18),),
        vouchers=(),
        cash={("u", "CNY"): 10**6},
        queue=(
            Request(f"w{number}", number, "u", "cpu", 2, 100, 5, sites=frozenset({"p", "q"})),
            Request("x", 2, "u", "cpu", 9, 100, 6, blocked=Why("x.y", (("n", 1),))),
        ),
        busy={"u": 1},
    )


def note(journal: Journal, now_us: int = 10) -> None:
    journal.note(picture(), decide(picture(), now_us=now_us), now_us=now_us)


@settings(deadline=None, max_examples=25)
@given(cut=st.integers(1, 400))
def test_what_a_killed_writer_leaves_costs_its_own_line_and_no_later_one(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("j") / "j"
    journal = Journal(path)
    note(journal)
    whole = path.read_bytes()
    note(journal, 20)
    path.write_bytes(path.read_bytes()[: max(len(whole) + 1, len(path.read_bytes()) - cut)])
    note(Journal(path), 30)
    note(Journal(path), 40)
    found = replayed(path)
    # Only its line end missing: the line is as good as whole.
    assert (found.passes, found.broken) == ((4, 0) if cut == 1 else (3, 1))
    assert found.different == ()


def test_a_journal_whose_head_was_cut_off_is_none_and_an_empty_one_begins(tmp_path) -> None:
    path = tmp_path / "j"
    path.touch()
    note(Journal(path))
    assert replayed(path).passes == 1
    path.write_bytes(path.read_bytes()[20:])
    with pytest.raises(Invalid):
        replayed(path)


def _write_many(path: str, writer: int) -> None:
    journal = Journal(Path(path))
    for number in range(20):
        seen = picture(writer * 100 + number)
        journal.note(seen, decide(seen, now_us=number), now_us=number)


def test_two_processes_that_keep_one_journal_lose_nothing_of_it(tmp_path) -> None:
    path = tmp_path / "j"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(str(path), n)) for n in (1, 2, 3)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    found = replayed(path)
    assert (found.passes, found.broken, found.different) == (60, 0, ())
    assert path.read_text("utf-8").count(recording.JOURNAL) == 1


def test_a_line_waits_for_whoever_writes_one(tmp_path) -> None:
    path = tmp_path / "j"
    Journal(path)
    with path.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        child = multiprocessing.get_context("fork").Process(target=_write_many, args=(str(path), 1))
        child.start()
        held.write(b'{"half": ')
        held.flush()
        size = os.fstat(held.fileno()).st_size
        child.join(0.2)
        assert (child.is_alive(), os.fstat(held.fileno()).st_size) == (True, size)
        held.write(b'"whole"}\n')
        held.flush()
        fcntl.flock(held, fcntl.LOCK_UN)
    child.join()
    found = replayed(path)
    assert (found.passes, found.broken) == (20, 1)


def spoiled(said: dict) -> list[dict]:
    """One pass with each of its parts made wrong in turn."""
    made = [{**said, "now_us": value} for value in ("soon", None, [1], 1.5)]
    made += [{**said, "picture": value} for value in (None, [], 7, {}, {"pools": 1})]
    made += [{name: value for name, value in said.items() if name != gone} for gone in said]
    for name, value in (("devices", "many"), ("devices", None), ("chip", 7), ("id", [1])):
        queue = [{**said["picture"]["queue"][0], name: value}]
        made.append({**said, "picture": {**said["picture"], "queue": queue}})
    return made


def test_a_pass_with_something_wrong_in_it_is_counted_and_stops_nothing(tmp_path) -> None:
    path = tmp_path / "j"
    note(Journal(path))
    said = json.loads(path.read_text("utf-8").splitlines()[1])
    lines = spoiled(said)
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.write("[" * 50_000 + "\n\n" + "null\n7\n" + "9" * 5_000 + "\n")
    note(Journal(path), 20)
    found = replayed(path)
    assert (found.passes, found.different) == (2, ())
    assert found.broken == len(lines) + 5


def test_a_picture_is_revived_to_the_very_types_it_had() -> None:
    written = json.loads(json.dumps(plain(picture())))
    again = revived(Picture, written)
    assert again == picture()
    assert type(again.queue) is tuple
    assert type(again.queue[0].sites) is frozenset
    with pytest.raises(TypeError):
        revived(PoolView, {**written["pools"][0], "devices": "4"})
    with pytest.raises(TypeError):
        revived(PoolView, {**written["pools"][0], "devices": True})
    with pytest.raises(KeyError):
        revived(PoolView, {**written["pools"][0], "weather": 1})


# --- The export --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_every_workload_is_exported_once_however_many_pages_there_are(
    city, tmp_path, monkeypatch, count
) -> None:
    monkeypatch.setattr(store, "PAGE", 2)
    names = [city.submit(f"job-{number}").id for number in range(count)]
    path = tmp_path / "trace.jsonl"
    assert write(city.storage, path) == count
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines if line.get("type") == "workload"] == names


def test_an_export_that_breaks_off_leaves_the_old_one_and_nothing_else(
    city, tmp_path, monkeypatch
) -> None:
    path = tmp_path / "out" / "trace.jsonl"
    path.parent.mkdir()
    city.submit("a")
    write(city.storage, path)
    before = path.read_bytes()
    city.submit("b")

    def breaks(*_: object) -> dict:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "_workload", breaks)
    with pytest.raises(OSError, match="space"):
        write(city.storage, path)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["trace.jsonl"]


# --- Words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.004, "0.00 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (10, "10.0 s"),
        (99.94, "99.9 s"),
        (99.96, "100 s"),
        (119.4, "119 s"),
        (120 * 60, "2.00 h"),
        (119.99 * 60, "120 min"),
        (48 * 3_600 - 1, "48.0 h"),
        (48 * 3_600, "2.00 d"),
    ],
)
def test_a_duration_has_three_figures_also_where_it_is_rounded_up(seconds, said) -> None:
    assert Words("en").duration(seconds) == said


@settings(deadline=None)
@given(st.floats(0, 1e8))
def test_a_duration_never_has_more_than_three_figures_below_a_thousand(seconds) -> None:
    said = Words("en").duration(seconds).split()[0].replace(",", "")
    assert len(said.replace(".", "")) == 3 or float(said) >= 1_000
    assert float(said) >= 0
