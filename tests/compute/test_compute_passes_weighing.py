"""Shares in the long run, and a journal of live passes that is decided again alike."""

from __future__ import annotations

import pytest
from dispatch_trial import found_town, give, queue_up

from yunhe.compute import service as compute
from yunhe.compute.passes import service as passes
from yunhe.compute.passes import weighing, whole
from yunhe.compute.passes.domain import SMALL_MAX, Weight
from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.simulation.recording import replayed
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound

HALF_LIFE_SECONDS = YUNHE.half_life_us // SECOND_US


def used(city) -> dict[tuple[str, str, str], int]:
    with city.storage.database.read() as tx:
        return weighing.used(tx, now_us=city.clock.now_us())


def note(city, organisation, device_ms, project="") -> None:
    with city.storage.database.begin() as tx:
        weighing.note(tx, organisation, project, device_ms=device_ms, now_us=city.clock.now_us())


def weigh(city, weight: Weight, *, by: str = "") -> Weight:
    with city.storage.database.begin() as tx:
        return passes.weigh(tx, weight, said_by=by or city.operator, at_us=city.clock.now_us())


def test_what_was_used_counts_half_after_each_half_life(bare_city):
    note(bare_city, bare_city.university, 8_000)
    path = "university", bare_city.university, ""
    assert used(bare_city) == {path: 8_000_000}
    bare_city.clock.advance(seconds=HALF_LIFE_SECONDS)
    assert used(bare_city) == {path: 4_000_000}
    note(bare_city, bare_city.university, 1_000)
    bare_city.clock.advance(seconds=2 * HALF_LIFE_SECONDS)
    assert used(bare_city) == {path: 1_250_000}
    bare_city.clock.advance(seconds=60 * HALF_LIFE_SECONDS)
    assert used(bare_city) == {}


def test_a_clock_that_went_back_takes_nothing_away(bare_city):
    note(bare_city, bare_city.university, 8_000)
    with bare_city.storage.database.read() as tx:
        assert list(weighing.used(tx, now_us=1).values()) == [8_000_000]


def test_what_is_settled_is_noted_once(city, local):
    city.submit()
    done = compute.run_next(city.storage, local)
    assert list(used(city).values()) == [done.usage.device_ms * 1_000]


def shares(city, devices: int = 12) -> dict[str, int]:
    """Devices that each of two waiting organisations gets of few."""
    named = found_town(city.storage, organisations=2, pools=1, devices=devices)
    queue_up(city.storage, named, each=SMALL_MAX, most=1)
    return dict.fromkeys(named, 0)


def placed(city, counts: dict[str, int]) -> list[int]:
    whole.run(city.storage)
    with city.storage.database.read() as tx:
        for one in compute.workloads(tx):
            counts[one.spec.organisation] += one.state == "placed"
    return list(counts.values())


def test_equals_share_equally(new_city):
    city = new_city()
    assert placed(city, shares(city)) == [6, 6]


def test_whoever_weighs_three_times_as_much_gets_three_times_as_much(new_city):
    city = new_city()
    counts = shares(city)
    weigh(city, Weight("sme", next(iter(counts)), "", 3))
    assert placed(city, counts) == [9, 3]


def test_whoever_used_much_of_late_stands_behind(new_city):
    city = new_city()
    counts = shares(city)
    note(city, next(iter(counts)), 10 * HALF_LIFE_SECONDS * 1_000)
    first, second = placed(city, counts)
    assert first < second


def test_a_kind_of_organisation_weighs_as_a_whole(new_city):
    city = new_city()
    first, second = found_town(city.storage, organisations=2, pools=1, devices=12)
    queue_up(city.storage, [first, second, city.university], each=SMALL_MAX, most=1)
    with city.storage.database.begin() as tx:
        give(tx, city.university, device_ms=10**12, at_us=city.clock.now_us())
    # Two kinds, so the one university gets as much as both firms together.
    assert placed(city, dict.fromkeys((first, second, city.university), 0)) == [3, 3, 6]


def test_weights_are_said_by_an_operator_of_what_is_there(city):
    say = Weight("university", city.university, "", 5)
    with pytest.raises(NotAllowed):
        weigh(city, say, by="nobody")
    for wrong in (
        Weight("university", city.university, "", 0),
        Weight("university", city.university, "", 1_001),
        Weight("planet", "", "", 2),
        Weight("sme", city.university, "", 2),
        Weight("sme", "", "project", 2),
    ):
        with pytest.raises(Invalid) as caught:
            weigh(city, wrong)
        assert caught.value.code == "compute.weight_invalid"
    for unknown in (
        Weight("university", "nobody", "", 2),
        Weight("university", city.university, "nothing", 2),
    ):
        with pytest.raises(NotFound):
            weigh(city, unknown)
    with city.storage.database.read() as tx:
        assert passes.weights(tx) == []
    assert weigh(city, say) == say
    again = Weight("university", city.university, "", 2)
    weigh(city, again)
    with city.storage.database.begin() as tx:
        project = identity.add_project(
            tx, key="p", organisation=city.university, name="p", at_us=city.clock.now_us()
        )
    below = Weight("university", city.university, project.id, 7)
    weigh(city, below)
    with city.storage.database.read() as tx:
        assert passes.weights(tx) == [again, below]
        assert weighing.by_path(tx) == {
            ("university", city.university): 2,
            ("university", city.university, project.id): 7,
        }


def test_each_weight_is_on_record_and_proved_by_its_receipt(city, tmp_path):
    first = weigh(city, Weight("university", city.university, "", 5))
    assert weigh(city, first).reference == first.reference  # the same again says nothing new
    second = weigh(city, Weight("university", city.university, "", 2))
    with city.storage.database.read() as tx:
        assert [each.reference for each in passes.weights(tx)] == [second.reference]
        record = custody.record(tx, second.reference)
    assert record.kind == "compute.weight"
    assert (record.body["before"], record.body["weight"]) == (5, 2)
    assert record.body["said_by"] == city.operator
    assert record.links == {"replaces": first.reference}
    signer = custody.create_log(tmp_path / "log", "yunhe.test/weights")
    custody.Sequencer(city.storage, signer).run_once()
    for reference in (first.reference, second.reference):
        receipt = custody.receipt_bytes(custody.receipt(city.storage, reference))
        verdict = custody.verify(receipt, custody.trust(tmp_path / "log"))
        assert verdict.ok, verdict
        assert verdict.links[0].kind == "compute.weight"


def test_a_live_journal_with_small_and_whole_passes_is_decided_alike(city, local, tmp_path):
    path = tmp_path / "journal.jsonl"
    city.submit("before")
    passes.keep(city.storage, 100)
    weigh(city, Weight("university", city.university, "", 3))
    submitted = [city.submit(f"job-{number}", wall=10 + number) for number in range(12)]
    compute.run_next(city.storage, local)
    compute.cancel(city.storage, submitted[5].id)
    queue_up(city.storage, [city.university], each=SMALL_MAX + 5)
    assert whole.run(city.storage).considered > SMALL_MAX
    kept = passes.write(city.storage, path)
    assert kept > 14
    again = replayed(path)
    assert (again.passes, again.different, again.broken) == (kept, (), 0)
    assert again.decisions > 50
    assert city.operator not in path.read_text("utf-8")
    assert list(tmp_path.glob(".*new")) == []


def test_a_journal_ends_after_so_many_passes_and_is_begun_anew(city, tmp_path):
    path = tmp_path / "journal.jsonl"
    passes.keep(city.storage, 2)
    for number in range(4):
        city.submit(f"job-{number}")
    assert passes.write(city.storage, path) == 2
    passes.keep(city.storage, 0)
    city.submit("after")
    assert passes.write(city.storage, path) == 0
    assert replayed(path).passes == 0
