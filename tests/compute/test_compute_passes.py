"""Whole passes: the rows that one by one leaves, off the path of commands, one at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch_trial import everything, found_town, give, place_one, queue_up

from yunhe.compute import admission, store
from yunhe.compute import service as compute
from yunhe.compute.passes import store as passes
from yunhe.compute.passes import whole
from yunhe.compute.passes.domain import LEASE_SECONDS, QUEUE_MAX, SMALL_MAX
from yunhe.compute.passes.placing import place_many
from yunhe.compute.picture import picture_of
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import Placement
from yunhe.identity import service as identity
from yunhe.kernel.errors import Conflict, Exhausted
from yunhe.ledger import service as ledger

SCHEDULER = Path(__file__).parent / "programs" / "scheduler.py"
MANY = SMALL_MAX + 15


def decided(storage):
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        rows = {row["id"]: row for row in passes.queue(tx, each=QUEUE_MAX)}
        picture = picture_of(tx, rows.values(), now_us=now_us)
    found = [one for one in decide(picture, now_us=now_us) if isinstance(one, Placement)]
    return rows, found, picture.prices


def states(storage) -> dict[str, int]:
    with storage.database.read() as tx:
        return {state: tally.count for state, tally in compute.counted(tx).items()}


def books_are_right(storage) -> None:
    """Nothing is held but for what is placed, once; no pool, award or account is exceeded."""
    with storage.database.read() as tx:
        assert ledger.replay(tx).ok
        held: dict[str, int] = {}
        for hold in ledger.holds_open(tx):
            held[hold.unit] = held.get(hold.unit, 0) + hold.amount
        workloads = compute.workloads(tx)
        device_ms = sum(held.get(f"device:{chip}", 0) for chip in ("cpu", "ascend910b"))
        assert device_ms == sum(one.held_device_ms for one in workloads)
        money = held.get("CNY", 0) + held.get("voucher:CNY", 0)
        assert money == sum(one.held_minor for one in workloads)
        assert all(pool.devices_busy <= pool.pool.devices for pool in compute.pools(tx))
        assert all(award.left_ms >= 0 for award in compute.awards(tx))
        for one in workloads:
            row = store.row(tx, one.id)
            assert row["placements"] == (1 if one.state == "placed" else 0)


def test_a_batch_leaves_the_rows_that_placing_one_by_one_leaves(new_city):
    cities = [new_city(), new_city()]
    for city in cities:
        # Enough for nearly all: the awards go through 80 % on the way, and one through 100 %.
        named = found_town(city.storage, organisations=3, devices=60, budget_ms=60_000 * 400)
        compute.issue_voucher(
            city.storage, key="v", organisation=named[0], currency="CNY", amount=3_000
        )
        queue_up(city.storage, named, each=20)
    at_once, alone = (city.storage for city in cities)
    rows, found, prices = decided(at_once)
    assert len(found) > 20
    assert any(one.voucher_minor for one in found)
    now_us = at_once.clock.now_us()
    with at_once.database.begin() as tx:
        adapters = {status.pool.id: status.pool.adapter for status in compute.pools(tx)}
        place_many(
            tx,
            [(rows[one.request.id], one) for one in found],
            prices=prices,
            adapters=adapters,
            now_us=now_us,
        )
    rows, found, prices = decided(alone)
    for one in found:
        with alone.database.begin() as tx:
            place_one(
                tx, rows[one.request.id], one, price=prices[one.pool, one.term], now_us=now_us
            )
    left, right = everything(at_once), everything(alone)
    assert {name for name in left if left[name] != right[name]} <= {"compute_pass"}
    assert any("budget" in str(row) for row in left["notices_notice"])
    books_are_right(at_once)


def test_a_batch_that_the_ledger_refuses_leaves_nothing(new_city):
    storage = new_city().storage
    named = found_town(storage, organisations=1)
    queue_up(storage, named, each=3)
    rows, found, prices = decided(storage)
    before = everything(storage)
    broken = [*found[:-1], replace(found[-1], cash_minor=10**13)]
    with pytest.raises(Exhausted), storage.database.begin() as tx:
        place_many(
            tx,
            [(rows[one.request.id], one) for one in broken],
            prices=prices,
            adapters={one.pool: "local" for one in found},
            now_us=storage.clock.now_us(),
        )
    assert everything(storage) == before


def test_where_much_waits_a_command_asks_for_a_pass_and_the_pass_places(new_city):
    storage = new_city().storage
    named = found_town(storage, organisations=2)
    queue_up(storage, named, each=MANY)
    with storage.database.begin() as tx:
        assert admission.admit(tx, now_us=storage.clock.now_us()) == 0
    assert states(storage) == {"waiting": 2 * MANY}
    assert compute.attend(storage) == 2 * MANY
    assert states(storage) == {"placed": 2 * MANY}
    assert compute.attend(storage) == 0
    books_are_right(storage)


def test_a_pass_is_due_when_it_was_asked_for_or_none_was_made_for_a_while(new_city):
    city = new_city()
    storage = city.storage
    named = found_town(storage, organisations=1, devices=1)
    queue_up(storage, named, each=MANY)
    assert whole.due(storage)
    whole.run(storage)
    assert not whole.due(storage)
    with storage.database.begin() as tx:
        admission.admit(tx, now_us=storage.clock.now_us())
    assert whole.due(storage)
    whole.run(storage)
    assert not whole.due(storage)
    city.clock.advance(seconds=5)
    assert whole.due(storage)


def asked(city, organisation, key="own", **over):
    return city.spec(key, organisation=organisation, **over)


@pytest.fixture
def crowd(new_city):
    """Many wait for the devices of a full pool; a firm has an award and money."""
    city = new_city()
    firm, *others = found_town(city.storage, organisations=3, pools=1, devices=4)
    queue_up(city.storage, others, each=MANY)
    whole.run(city.storage)
    return city, firm


def test_a_workload_is_placed_at_once_where_nobody_waits_for_its_chip(crowd):
    city, firm = crowd
    compute.register_pool(
        city.storage,
        key="other",
        provider=city.provider,
        site="s",
        chip="ascend910b",
        devices=4,
        price_minor_per_device_hour=0,
        currency="CNY",
        adapter="demonstration",
    )
    with city.storage.database.begin() as tx:
        at_us = city.clock.now_us()
        account = ledger.open_account(tx, owner=firm, unit="device:ascend910b", purpose="award")
        transfer = ledger.grant(tx, key="n", account=account, amount=10**9, at_us=at_us)
        (award,) = [one.award for one in compute.awards(tx, organisation=firm)]
        store.add_award(
            tx,
            replace(award, id="ascend910b", chip="ascend910b", device_ms=10**9),
            transfer=transfer,
            awarded_by="x",
            at_us=at_us,
        )
    submitted = compute.submit(city.storage, asked(city, firm, chip="ascend910b"))
    assert submitted.state == "placed"
    books_are_right(city.storage)


def test_a_workload_stands_in_line_where_others_wait_for_its_chip(crowd):
    city, firm = crowd
    submitted = compute.submit(city.storage, asked(city, firm))
    assert (submitted.state, submitted.why.code) == ("waiting", "compute.waiting_behind")
    assert whole.due(city.storage)
    whole.run(city.storage)
    assert city.see(submitted).why.code in ("compute.waiting_capacity", "compute.waiting_turn")


def test_a_workload_overtakes_nobody_who_only_lacks_budget(new_city):
    city = new_city()
    (firm,) = found_town(city.storage, organisations=1, pools=1, devices=4)
    at_us = city.clock.now_us()
    with city.storage.database.begin() as tx:
        poor = identity.add_organisation(tx, key="p", name="p", kind="sme", at_us=at_us).id
        give(tx, poor, device_ms=1, at_us=at_us)
    queue_up(city.storage, [poor], each=MANY)
    whole.run(city.storage)
    assert states(city.storage) == {"waiting": MANY}
    assert compute.submit(city.storage, asked(city, firm)).state == "placed"


def test_what_is_behind_the_oldest_of_its_own_organisation_asks_for_nothing(new_city):
    city = new_city()
    (firm,) = found_town(city.storage, organisations=1, pools=1, devices=1)
    queue_up(city.storage, [firm], each=QUEUE_MAX + 5, most=1)
    whole.run(city.storage)
    whole.run(city.storage)
    assert not whole.due(city.storage)
    submitted = compute.submit(city.storage, asked(city, firm))
    assert submitted.why.code == "compute.waiting_behind"
    assert not whole.due(city.storage)


def test_a_pass_that_made_room_for_more_of_an_organisation_asks_for_another(new_city):
    city = new_city()
    (firm,) = found_town(city.storage, organisations=1)
    queue_up(city.storage, [firm], each=QUEUE_MAX + 5)
    assert whole.run(city.storage).placed == QUEUE_MAX
    assert whole.due(city.storage)
    assert whole.run(city.storage).placed == 5
    assert states(city.storage) == {"placed": QUEUE_MAX + 5}


def meanwhile(monkeypatch, what):
    """Something happens between what a pass decides and what it writes."""

    def deciding(picture, *, now_us, policy):
        decisions = decide(picture, now_us=now_us, policy=policy)
        what(decisions)
        return decisions

    monkeypatch.setattr(whole, "decide", deciding)


@pytest.mark.parametrize("what", ["cancelled", "shrunk", "spent", "awarded away", "dearer"])
def test_what_no_longer_holds_when_it_is_written_is_left_for_the_next_pass(
    new_city, monkeypatch, what
):
    city = new_city()
    (firm,) = found_town(city.storage, organisations=1, pools=1)
    queue_up(city.storage, [firm], each=MANY)

    def happens(decisions):
        if what == "cancelled":
            for one in decisions[:5]:
                compute.cancel(city.storage, one.request.id)
            return
        with city.storage.database.begin() as tx:
            at_us = city.clock.now_us()
            if what == "shrunk":
                tx.exec_driver_sql("UPDATE compute_pool SET devices = 3")
            elif what == "awarded away":
                tx.exec_driver_sql("UPDATE compute_award SET device_ms = 120000")
            elif what == "dearer":
                tx.exec_driver_sql("UPDATE compute_pool SET price_minor_per_device_hour = 7200")
            else:
                purse = ledger.open_account(tx, owner=firm, unit="CNY", purpose="cash")
                other = ledger.open_account(tx, owner="else", unit="CNY", purpose="cash")
                gone = ledger.balance(tx, purse).available - 200
                entry = ledger.Entry(purse, other, gone)
                ledger.transfer(tx, key="t", entries=[entry], kind="subsidy", at_us=at_us)

    meanwhile(monkeypatch, happens)
    passed = whole.run(city.storage)
    assert passed.overtaken > 0
    assert whole.due(city.storage)
    books_are_right(city.storage)
    monkeypatch.undo()
    whole.run(city.storage)
    books_are_right(city.storage)
    if what == "cancelled":
        assert states(city.storage) == {"placed": MANY - 5, "cancelled": 5}


def test_only_one_scheduler_has_the_lease_until_it_runs_out(new_city, monkeypatch):
    city = new_city()
    named = found_town(city.storage, organisations=1)
    queue_up(city.storage, named, each=MANY)
    seen = []
    meanwhile(monkeypatch, lambda _: seen.append(whole.run(city.storage)))
    assert whole.run(city.storage).placed == MANY
    assert seen == [None]


def test_a_scheduler_that_stood_still_until_another_took_over_writes_nothing(new_city, monkeypatch):
    city = new_city()
    named = found_town(city.storage, organisations=1)
    queue_up(city.storage, named, each=MANY)

    def later(decisions):
        monkeypatch.undo()
        city.clock.advance(seconds=LEASE_SECONDS + 1)
        assert whole.run(city.storage).placed == MANY

    meanwhile(monkeypatch, later)
    with pytest.raises(Conflict) as caught:
        whole.run(city.storage)
    assert caught.value.code == "storage.claim_lost"
    assert states(city.storage) == {"placed": MANY}
    books_are_right(city.storage)
    assert not whole.due(city.storage)


def scheduler(city, home: Path, *fate: str):
    url, now_us = city.storage.database.url, str(city.clock.now_us())
    command = [sys.executable, str(SCHEDULER), str(home), url, now_us, *fate]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


FATES = [("before", 1), ("after", 2), ("before", 4), ("after", 4), ("after", 6), ("before", 8)]


@pytest.mark.slow
@pytest.mark.parametrize(("when", "number"), FATES)
def test_a_scheduler_killed_at_any_commit_loses_and_doubles_nothing(
    new_city, tmp_path, when, number
):
    city = new_city()
    named = found_town(city.storage, organisations=2, pools=2, devices=100)
    queue_up(city.storage, named, each=MANY)
    process = scheduler(city, tmp_path, when, str(number))
    process.communicate("go\n", timeout=120)
    assert process.returncode == -9
    books_are_right(city.storage)
    assert whole.due(city.storage)
    before = states(city.storage).get("placed", 0)
    assert before == _placed_by(number, when)
    assert compute.attend(city.storage) == states(city.storage)["placed"] - before
    books_are_right(city.storage)
    undisturbed = new_city()
    named = found_town(undisturbed.storage, organisations=2, pools=2, devices=100)
    queue_up(undisturbed.storage, named, each=MANY)
    assert compute.attend(undisturbed.storage) > 0
    assert states(undisturbed.storage) == states(city.storage)


def _placed_by(number: int, when: str) -> int:
    """Of eight to a transaction, behind those for what lapsed, the lease, and the journal."""
    whole_batches = number - 3 - (when == "before")
    return max(whole_batches, 0) * 8


@pytest.mark.slow
def test_two_schedulers_at_once_place_everything_once(new_city, tmp_path):
    city = new_city()
    named = found_town(city.storage, organisations=2)
    queue_up(city.storage, named, each=MANY)
    both = [scheduler(city, tmp_path / str(number)) for number in range(2)]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(int(count) for _, count in said) == 2 * MANY
    assert states(city.storage) == {"placed": 2 * MANY}
    books_are_right(city.storage)


FLOOD = 10_000


def least_cpu(works, times=7) -> list[float]:
    """Of several each, in turns: what others do on the machine meanwhile befalls all alike."""
    spent = [[] for _ in works]
    for number in range(times):
        for work, taken in zip(works, spent, strict=True):
            begun = time.process_time()
            work(number)
            taken.append(time.process_time() - begun)
    return [min(taken) for taken in spent]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "times"), reason="counts processor time")
def test_ten_thousand_submissions_of_one_tenant_do_not_slow_another(new_city):
    works = []
    for count in (0, FLOOD):
        city = new_city()
        (firm,) = found_town(city.storage, organisations=1, pools=1, devices=100)
        at_us = city.clock.now_us()
        with city.storage.database.begin() as tx:
            greedy = identity.add_organisation(tx, key="g", name="g", kind="sme", at_us=at_us).id
            give(tx, greedy, device_ms=1, at_us=at_us)
        if count:
            queue_up(city.storage, [greedy], each=count)
            whole.run(city.storage)

        def submit(number, city=city, firm=firm):
            submitted = compute.submit(city.storage, asked(city, firm, f"job-{number}"))
            assert submitted.state == "placed"

        works.append(submit)
    alone, beside = least_cpu(works)
    assert beside <= 2 * alone  # what grew with the flood would be some thousand times as much
