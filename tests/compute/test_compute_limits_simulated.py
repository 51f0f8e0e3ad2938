"""Rules of place hold in a simulation where the trace says them, and travel to another platform."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_compute_limits import Places

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.limits import service as limits
from yunhe.compute.providers.remote import ANOTHER_PLATFORM
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.yunhe import YunheOptions, YunheProvider
from yunhe.compute.remote import store as sites
from yunhe.compute.runner import job_of
from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.simulation.asking import Asking
from yunhe.compute.simulation.comparing import Asked, load
from yunhe.compute.simulation.exporting import write
from yunhe.compute.simulation.loop import replay
from yunhe.kernel.errors import NotAllowed

POOLS = (("p1", "east", "CN-BJ"), ("p2", "west", "SG"), ("p3", "north", ""))


def lines(*bounds: list[str] | None) -> str:
    said: list[dict[str, object]] = [{"format": "yunhe-trace", "version": 2}]
    said += [
        {"type": "pool", "id": name, "site": site, "chip": "c", "devices": 2, "jurisdiction": at,
         "nodes": [{"count": 1, "devices": 2}]}
        for name, site, at in POOLS
    ]  # fmt: skip
    for number, bound in enumerate(bounds):
        job: dict[str, object] = {"type": "workload", "id": f"w{number}", "organisation": "o"}
        job |= {"submitted_at_us": number, "devices": 1, "chip": "c", "run_ms": 60_000}
        said.append(job if bound is None else {**job, "jurisdictions": bound})
    return "".join(json.dumps(line) + "\n" for line in said)


def loaded(tmp_path: Path, *bounds: list[str] | None):
    path = tmp_path / "trace.jsonl"
    path.write_text(lines(*bounds))
    asked = Asked(path=path, policies=("yunhe",))
    return asked, load(asked)


def test_a_simulated_job_may_use_the_sites_that_its_rules_allow(tmp_path) -> None:
    _, found = loaded(tmp_path, None, ["CN"], ["SG", "CN-SH"], ["CN", "SG"])
    asking = Asking(found.trace, siloed=False, expected_us=None)
    sites = [asking.request(n, pushed=0).sites for n in range(4)]
    assert sites == [None, {"east"}, {"west"}, {"east", "west"}]


def test_a_job_that_no_site_may_take_is_left_out_and_counted(tmp_path) -> None:
    _, found = loaded(tmp_path, None, ["US"])
    assert found.trace.jobs.id == ("w0",)
    assert {note.key for note in found.trace.notes} >= {"too_big"}


def test_bound_jobs_wait_for_their_site_while_others_stand_empty(tmp_path) -> None:
    _, found = loaded(tmp_path, *[["CN"]] * 4, None)
    run = replay(found.trace, YUNHE)
    names = [found.trace.fleet.sites[at] for at in run.site.tolist()]
    assert names[:4] == ["east"] * 4
    assert names[4] != "east"
    began = run.waited_us.tolist()
    assert min(began[2:4]) > 50_000_000 > max(began[0], began[1], began[4])


def test_a_recorded_platform_says_what_bound_its_work(new_city, local, tmp_path) -> None:
    places = Places(new_city())
    places.pool("CN-BJ")
    digest = places.data()
    places.say("data", digest, "CN")
    places.city.submit("a", inputs={"train": digest}, jurisdictions=("CN-BJ", "SG"))
    assert compute.run_next(places.storage, local) is not None
    path = tmp_path / "trace.jsonl"
    write(places.storage, path)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    [job] = [line for line in found if line.get("type") == "workload"]
    [pool] = [line for line in found if line.get("type") == "pool"]
    assert (job["jurisdictions"], pool["jurisdiction"]) == (["CN-BJ"], "CN-BJ")
    trace = load(Asked(path=path, policies=("yunhe",))).trace
    request = Asking(trace, siloed=False, expected_us=None).request(0, pushed=0)
    assert request.sites == {pool["site"]}


def _job(limits: tuple[str, ...] | None) -> Job:
    return Job(
        id="w-1", entry_point="training", arguments={}, inputs={}, devices=1,
        wall_seconds_max=60, cpu_seconds_max=60, memory_bytes_max=1 << 30, chip="cpu",
        jurisdictions=limits,
    )  # fmt: skip


@pytest.fixture
def other(tmp_path) -> YunheProvider:
    chips = {"cpu": "cpu"}
    options = YunheOptions("http://x", tmp_path / "k", tmp_path / "t", chips, origin="n/log")
    return YunheProvider("city", options, outbound=None)


def test_the_limits_of_a_job_travel_to_another_platform(other) -> None:
    for codes in (None, ("CN", "SG")):
        sent = other._message(_job(codes), "cpu").workload
        assert sent.jurisdictions == list(codes or ())


def test_a_job_whose_limits_contradict_each_other_is_not_handed_over(other, storage) -> None:
    with pytest.raises(NotAllowed) as caught:
        other._chip(_job(()))
    assert caught.value.code == "compute.rule_contradiction"


def test_what_a_job_is_asked_with_says_its_own_and_its_datas_limits(new_city) -> None:

    places = Places(new_city())
    places.pool("CN-BJ")
    digest = places.data()
    places.say("data", digest, "CN")
    bound = places.city.submit("a", inputs={"train": digest}, jurisdictions=("CN-BJ", "SG"))
    free = places.city.submit("b")
    with places.storage.database.read() as tx:
        asked = [job_of(tx, store.row(tx, each.id)) for each in (bound, free)]
    assert [each.jurisdictions for each in asked] == [("CN-BJ",), None]


def test_work_that_excludes_providers_is_never_handed_to_another_platform(new_city) -> None:

    places = Places(new_city())
    places.pool("CN", adapter="city", price_minor_per_device_hour=1)
    with places.storage.database.begin() as tx:
        sites.set_site(tx, "city", isolation=ANOTHER_PLATFORM)
    third = places.pool("CN", key="own", provider=places.city.university)
    assert places.city.submit("a", excluded_providers=(places.city.provider,)).pool == third


def test_where_export_rules_let_work_run_travels_to_another_platform(new_city) -> None:
    places = Places(new_city())
    pool = places.pool("CN", chip="a100", adapter="city")
    with places.storage.database.begin() as tx:
        sites.set_site(tx, "city", isolation=ANOTHER_PLATFORM)
    places.say("organisation", places.city.university, "CN-SH")
    places.city.clock.advance(seconds=60 * 86_400 * 365)
    spec = places.city.spec(chip="a100")

    def sent(**over: object) -> tuple[str, ...] | None:
        now_us = places.city.clock.now_us()
        with places.storage.database.read() as tx:
            return limits.abroad(tx, replace(spec, **over), pool, awards=(), now_us=now_us)

    assert sent() == ("CN", "HK", "MO")
    assert sent(jurisdictions=("CN-BJ", "SG")) == ("CN-BJ",)
    assert sent(jurisdictions=("SG",)) == ()
    assert sent(organisation=places.city.provider) == ("CN", "HK", "MO")  # nobody said where it is
    places.say("organisation", places.city.provider, "SG")
    assert sent(organisation=places.city.provider) is None
    places.say("pool", pool, "CN")  # then its provider vouches
    assert sent() is None
