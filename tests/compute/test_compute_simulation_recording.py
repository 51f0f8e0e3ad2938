"""A recording of a live platform can be replayed, and holds nothing that is nobody's business."""

from __future__ import annotations

import json

import pytest
from old_journal import VERSION_1

from yunhe.compute import admission
from yunhe.compute import service as compute
from yunhe.compute.passes import journal as journal_of
from yunhe.compute.passes import service as passes
from yunhe.compute.reasons import Change, Why
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import AwardView, Picture, PoolView, Request
from yunhe.compute.simulation.comparing import Asked, compare, decided_again, load, recorded_again
from yunhe.compute.simulation.differing import DIFFERENCES_MAX
from yunhe.compute.simulation.exporting import write
from yunhe.compute.simulation.recording import Journal, plain, replayed, revived
from yunhe.kernel.errors import Invalid


def picture() -> Picture:
    return Picture(
        pools=(PoolView("p", "cpu", 4, 1, 3_600, "CNY"),),
        awards=(AwardView("a", "u", "cpu", 10**9, 10**18),),
        vouchers=(),
        cash={("u", "CNY"): 10**6},
        queue=(
            Request("w1", 1, "u", "cpu", 2, 100, 5, sites=frozenset({"p", "q"})),
            Request("w2", 2, "u", "cpu", 9, 100, 6, substitutes={"gpu": 700}),
            Request(
                "w3", 3, "u", "cpu", 1, 10, 7, blocked=Why("x.y", (("n", 1),), (Change("add"),))
            ),
        ),
        busy={"u": 1},
    )


def test_a_picture_survives_being_written_down():
    written = json.loads(json.dumps(plain(picture())))
    assert revived(Picture, written) == picture()


def test_a_live_platform_is_recorded_without_what_it_runs(city, tmp_path):
    for number in range(3):
        city.submit(f"job-{number}", arguments={"action": "copy", "word": "geheim"})
    path = tmp_path / "trace.jsonl"
    assert write(city.storage, path) == 3
    text = path.read_text("utf-8")
    assert "geheim" not in text
    assert "arguments" not in text
    assert city.operator not in text
    kinds = [json.loads(line).get("type") for line in text.splitlines()]
    standing, works = kinds[:-3], kinds[-3:]
    assert standing == [None, "pool", "award", "voucher", "cash"]
    assert works == ["workload", "workload", "workload"]
    assert list(tmp_path.glob(".*new")) == []


def test_what_ran_is_replayed_through_the_engine(city, local, tmp_path):
    city.submit("job")
    assert compute.run_next(city.storage, local) is not None
    city.submit("never")  # has no run time yet
    path = tmp_path / "trace.jsonl"
    write(city.storage, path)
    asked = Asked(path=path, policies=("yunhe",))
    loaded = load(asked)
    assert loaded.faults == 0
    assert len(loaded.trace.jobs) == 1
    assert {n.key: dict(n.params) for n in loaded.trace.notes}["export_never_ran"] == {
        "workloads": 1
    }
    sheet = compare(asked, loaded, progress=lambda *_: None)
    assert sheet.figures[0].unfinished == 0
    assert sheet.figures[0].cost_minor is not None


def test_the_journal_of_a_live_scheduler_is_decided_alike(city, tmp_path, monkeypatch):
    journal = Journal(tmp_path / "passes.jsonl")
    monkeypatch.setattr(admission, "decide", journal.listening(admission.decide))
    city.submit("small")
    city.submit("large", devices=2)
    city.submit("longer", wall=500)
    again = decided_again(tmp_path / "passes.jsonl")
    assert again is not None
    assert (again.different, again.broken) == ((), 0)
    assert again.passes == 3
    assert again.decisions >= 3


def test_a_pass_that_was_decided_otherwise_is_found(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.note(picture(), decide(picture(), now_us=10), now_us=10)
    journal.note(picture(), decide(picture(), now_us=10)[:-1], now_us=10)
    assert replayed(tmp_path / "j").different == (3,)


def test_a_journal_cut_off_within_a_line_loses_that_line_only(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path)
    for now in (10, 20):
        journal.note(picture(), decide(picture(), now_us=now), now_us=now)
    path.write_bytes(path.read_bytes()[:-40])
    found = replayed(path)
    assert (found.passes, found.broken, found.different) == (1, 1, ())


def test_a_journal_goes_on_where_it_was(tmp_path):
    for _ in range(2):
        Journal(tmp_path / "j").note(picture(), decide(picture(), now_us=1), now_us=1)
    assert replayed(tmp_path / "j").passes == 2


def test_other_files_are_no_journals(tmp_path):
    path = tmp_path / "x"
    path.write_text("hello\n", encoding="utf-8")
    assert decided_again(path) is None
    with pytest.raises(Invalid):
        replayed(path)


def journal_of_version(path, version: int, *gone: str):
    """A journal as that version wrote it."""
    journal = Journal(path)
    journal.note(picture(), decide(picture(), now_us=10), now_us=10)
    head, line = path.read_text("utf-8").splitlines()
    said = {name: value for name, value in json.loads(line).items() if name not in gone}
    told = {**json.loads(head), "version": version}
    path.write_text(f"{json.dumps(told)}\n{json.dumps(said)}\n", encoding="utf-8")
    return path


def test_a_journal_of_the_first_version_is_decided_again_by_the_policy_of_then(tmp_path):
    path = journal_of_version(tmp_path / "j", 1, "policy", "kept")
    found = replayed(path)
    assert (found.passes, found.different, found.broken) == (1, (), 0)
    assert found.decisions == 3


def test_a_journal_that_the_release_before_wrote_is_decided_alike(tmp_path):
    path = tmp_path / "j"
    path.write_text(VERSION_1, encoding="utf-8")
    found = replayed(path)
    assert (found.passes, found.decisions, found.different, found.broken) == (1, 3, (), 0)
    path.write_text(VERSION_1.replace('"device_ms":200000', '"device_ms":200001'), encoding="utf-8")
    assert replayed(path).different == (2,)


def test_what_the_second_version_has_to_say_may_not_be_missing(tmp_path):
    for gone in ("policy", "kept"):
        found = replayed(journal_of_version(tmp_path / gone, 2, gone))
        assert (found.passes, found.broken) == (0, 1)


@pytest.mark.parametrize("version", [0, 3, True, "2", None])
def test_a_journal_of_a_version_that_is_not_known_is_refused(tmp_path, version):
    with pytest.raises(Invalid) as caught:
        replayed(journal_of_version(tmp_path / "j", version))
    assert caught.value.code == "simulate.export_version"


def test_a_policy_that_no_platform_runs_makes_a_pass_unreadable_and_another_a_difference(tmp_path):
    path = journal_of_version(tmp_path / "j", 2)
    text = path.read_text("utf-8")
    path.write_text(text.replace('"policy": "yunhe"', '"policy": "matched"'), encoding="utf-8")
    assert replayed(path).broken == 1


def test_a_recording_without_passes_holds_none_and_one_with_passes_has_them_decided(city, tmp_path):
    path = tmp_path / "trace.jsonl"
    city.submit("one")
    write(city.storage, path)
    assert recorded_again(path) is None
    passes.keep(city.storage, 5)
    city.submit("two")
    city.submit("three")
    write(city.storage, path)
    found = recorded_again(path)
    assert (found.passes, found.different, found.broken) == (2, (), 0)
    assert decided_again(path) is None  # it is a trace, and no journal
    assert recorded_again(tmp_path / "missing") is None


def test_a_run_that_was_broken_off_counts_with_the_work_it_belongs_to(tmp_path):
    rows = [
        {"format": "yunhe-trace", "version": 2},
        {"type": "pool", "id": "p", "chip": "npu", "devices": 4, "nodes": [], "currency": "CNY"},
        {"type": "workload", "id": "w", "organisation": "o", "submitted_at_us": 5, "devices": 1,
         "chip": "npu", "substitutes": {"gpu": 500}, "run_ms": 300, "speed_permille": 500},
        {"type": "stretch", "id": "s", "of": "w", "organisation": "o", "submitted_at_us": 5,
         "devices": 1, "chip": "npu", "run_ms": 200, "speed_permille": 1_000},
        {"type": "stretch", "id": "t", "of": "gone", "run_ms": 200},
    ]  # fmt: skip
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    loaded = load(Asked(path=path))
    assert loaded.faults == 0
    assert loaded.trace.jobs.id == ("w",)
    assert loaded.trace.jobs.service_us.tolist() == [350_000]  # as if on the chip it asked for
    assert loaded.trace.fleet.devices.tolist() == [4]  # a pool without nodes is one


def tampered(path, change) -> None:
    """The journal, with every decision of its last pass as ``change`` would have it."""
    *rest, last = path.read_text("utf-8").splitlines()
    said = json.loads(last)
    said["decided"] = [change(dict(each)) for each in said["decided"]]
    path.write_text("\n".join([*rest, json.dumps(said)]) + "\n", "utf-8")


def kept_journal(city, tmp_path):
    """The journal of three passes of a platform, the last of which placed ``longer``."""
    journal_of.keep(city.storage, 100)
    made = [city.submit("small"), city.submit("other", devices=1, wall=50)]
    path = tmp_path / "passes.jsonl"
    assert journal_of.write(city.storage, path) == len(made)
    found = decided_again(path)
    assert (found.different, found.broken, found.differences) == ((), 0, ())
    return path, made[-1]


def test_a_placement_that_somebody_changed_is_told_with_its_pass_and_its_workload(city, tmp_path):
    path, made = kept_journal(city, tmp_path)
    tampered(path, lambda one: {**one, "pool": "pool_elsewhere"})
    found = decided_again(path)
    assert (found.passes, found.broken, found.different) == (2, 0, (3,))
    [told] = found.differences
    assert (told.number, told.line, told.workload) == (2, 3, made.id)
    assert (told.what, told.was, told.where) == ("decided", "Placement", "pool_elsewhere")
    assert (told.now, told.now_where) == ("Placement", made.pool)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: {**one, "cash_minor": one["cash_minor"] + 1},
        lambda one: {**one, "of": "wl_somebody"},
        lambda one: {**one, "nodes": [[7, 1]]},
        lambda one: {"what": "Wait", "of": one["of"], "why": {"code": "compute.waiting_turn"}},
    ],
    ids=["money", "whose", "node", "waits"],
)
def test_whatever_of_a_decision_is_changed_is_found(city, tmp_path, change):
    path, made = kept_journal(city, tmp_path)
    tampered(path, change)
    found = decided_again(path)
    assert found.different == (3,)
    assert made.id in {each.workload for each in found.differences}


def test_decisions_in_another_order_are_told_as_that(tmp_path):
    first, second, *rest = decide(picture(), now_us=10)
    Journal(tmp_path / "j").note(picture(), (second, first, *rest), now_us=10)
    [told] = replayed(tmp_path / "j").differences
    assert (told.number, told.workload, told.what) == (1, "", "decided")


def test_only_the_first_differences_are_told_one_by_one(tmp_path):
    journal = Journal(tmp_path / "j")
    for _ in range(30):
        journal.note(picture(), (), now_us=10)
    found = replayed(tmp_path / "j")
    assert (len(found.different), len(found.differences)) == (30, DIFFERENCES_MAX)
