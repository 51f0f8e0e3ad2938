"""A live platform with everything the scheduler knows, recorded, and decided again alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded_trial import Trial

from yunhe.compute.passes import service as passes
from yunhe.compute.simulation.comparing import Asked, compare, load
from yunhe.compute.simulation.exporting import write
from yunhe.compute.simulation.recording import replayed
from yunhe.compute.simulation.traces.export import VERSION

SEEDS = (3, 4)
STEPS = 50


def recorded(city, folder: Path, seed: int) -> tuple[Trial, Path]:
    trial = Trial(city, seed)
    passes.keep(city.storage, 10_000)
    trial.run(STEPS)
    path = folder / "trace.jsonl"
    write(city.storage, path)
    return trial, path


def lines(path: Path, kind: str) -> list[dict]:
    said = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [one for one in said if one.get("type") == kind]


def changed(path: Path, part: str, line: int) -> Path:
    """The same recording with one part of one pass said otherwise."""
    texts = path.read_text("utf-8").splitlines()
    said = json.loads(texts[line])
    said[part] = said[part][:-1]
    texts[line] = json.dumps(said)
    other = path.with_name(f"{part}.jsonl")
    other.write_text("\n".join(texts), encoding="utf-8")
    return other


@pytest.mark.parametrize("seed", SEEDS)
def test_every_decision_reservation_and_push_of_a_live_platform_comes_out_again(
    bare_city, tmp_path, seed
):
    trial, path = recorded(bare_city, tmp_path, seed)
    found = replayed(path)
    assert (found.different, found.broken) == ((), 0)
    kept = lines(path, "pass")
    assert found.passes == len(kept) > 30
    assert found.decisions > 2 * found.passes
    assert found.pushes > 0
    assert found.kept > 0
    assert len({one["policy"] for one in kept}) > 1
    every = path.read_text("utf-8").splitlines()
    for part in ("decided", "kept", "asked"):  # nothing of a pass may differ unseen
        line = next(n for n, text in enumerate(every) if json.loads(text).get(part))
        assert replayed(changed(path, part, line)).different == (line + 1,)
    _holds_what_was_asked(trial, path)
    _is_a_trace(path)


def _holds_what_was_asked(trial: Trial, path: Path) -> None:
    """Every workload stands there with all that it asked for; nothing else of it does."""
    head = json.loads(path.read_text("utf-8").splitlines()[0])
    assert (head["version"], len(head["policy"]) > 2) == (VERSION, True)
    shown = {one["id"]: one for one in lines(path, "workload")}
    assert list(shown) == [job.id for job in trial.jobs]
    for job in trial.jobs:
        spec, said = job.spec, shown[job.id]
        assert said["submitted_at_us"] > 0
        assert said["milli"] == spec.devices_milli
        assert (said["replicas"], said["replicas_min"]) == (spec.replicas, spec.replicas_min)
        assert said["substitutes"] == dict(spec.substitutes)
        assert (said["fabric"], said["data_site"]) == (spec.fabric, spec.data_site)
        assert (said["egress"], said["egress_bytes"]) == (spec.egress, spec.egress_bytes)
        assert said["deadline_us"] == spec.deadline_us
        assert said["priority"] == {"low": -1, "usual": 0, "high": 1}[spec.priority]
        assert said["preemptible"] == spec.preemptible
        assert said["checkpoint_seconds"] == spec.checkpoint_seconds
        assert said["cpu_milli"] == spec.cpu_milli
        assert said["memory_mib"] == spec.replica_memory_bytes >> 20
        assert said["organisation_kind"] == "company"
    pools = {one["id"]: one for one in lines(path, "pool")}
    noded = pools[trial.pools[1]]["nodes"]
    assert [(row["count"], row["devices"], row["cpu_milli"]) for row in noded] == [(2, 4, 16_000)]
    assert pools[trial.pools[0]]["nodes"] == []
    assert [one["devices"] for one in lines(path, "window")] == [2]
    assert [one["weight"] for one in lines(path, "weight")] == [3]
    assert [one["megabit_per_second"] for one in lines(path, "way")] == [800]
    assert len(lines(path, "award")) == 9
    assert {one["currency"] for one in lines(path, "cash")} == {"CNY"}
    text = path.read_text("utf-8")
    for secret in (trial.city.operator, "arguments", "entry_point", "copy"):
        assert secret not in text


def _is_a_trace(path: Path) -> None:
    """Had everything run for its wall limit, it is replayed under any policy, with its features."""
    texts = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    ran = [
        {**one, "run_ms": 1_000 * one["wall_seconds_max"]} if one.get("type") == "workload" else one
        for one in texts
    ]
    path.write_text("\n".join(map(json.dumps, ran)), encoding="utf-8")
    asked = Asked(path=path, policies=("yunhe", "nimble"))
    loaded = load(asked)
    assert loaded.faults == 0
    jobs = loaded.trace.jobs
    works = {one["id"]: one for one in ran if one.get("type") == "workload"}
    assert len(jobs) > 0.9 * len(works)
    for row, name in enumerate(jobs.id):
        said = works[name]
        whole = 0 if said["milli"] else said["devices"] * said["replicas"]
        assert (jobs.devices[row], jobs.milli[row]) == (whole, said["milli"])
        assert (jobs.replicas[row], jobs.priority[row]) == (said["replicas"], said["priority"])
        assert bool(jobs.preemptible[row]) == said["preemptible"]
        assert jobs.saves_seconds[row] == said["checkpoint_seconds"]
        assert bool(jobs.pinned[row]) == (said["egress"] == "forbid")
        assert jobs.cpu_milli[row] == said["cpu_milli"] * said["replicas"]
    assert sorted(loaded.trace.fleet.devices.tolist()) == [2, 2, 4, 4, 4, 6]
    sheet = compare(asked, loaded, progress=lambda *_: None)
    assert [one.unfinished for one in sheet.figures] == [0, 0]
