"""Many at once: whatever the interleaving, no award, account or pool is exceeded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from yunhe.compute import service as compute
from yunhe.ledger import service as ledger


def together(work, count: int) -> list:
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(work, n) for n in range(count)]]


def test_submissions_at_the_same_time_never_hold_more_than_the_award(city) -> None:
    # Each wants 300 of 1000 device-seconds, so three fit; devices are not the limit.
    city.pool(devices=16, key="large")
    submitted = together(lambda n: city.submit(f"job{n}", wall=300), 8)
    states = sorted(city.see(workload).state for workload in submitted)
    assert states == ["placed"] * 3 + ["waiting"] * 5
    city.assert_books_are_right()


def test_the_same_submission_many_times_at_once_is_one_workload(city) -> None:
    submitted = together(lambda _: city.submit("same"), 8)
    assert len({workload.id for workload in submitted}) == 1
    with city.storage.database.read() as tx:
        assert len(compute.workloads(tx)) == 1
        assert len([hold for hold in ledger.holds_open(tx) if hold.unit == "device:cpu"]) == 1
    city.assert_books_are_right()


def test_the_same_award_and_voucher_many_times_at_once_are_granted_once(bare_city) -> None:
    bare_city.pool()
    awards = together(lambda _: bare_city.award(), 6)
    vouchers = together(lambda _: bare_city.voucher(), 6)
    assert len(set(awards)) == len(set(vouchers)) == 1
    assert bare_city.balance(bare_city.university, "device:cpu", "award") == (1_000_000, 0)
    assert bare_city.balance(bare_city.university, "voucher:CNY", "voucher") == (10_000, 0)


def test_cancelling_at_the_same_time_releases_once(city) -> None:
    workload = city.submit(devices=2)
    waiting = city.submit("next", devices=2)
    cancelled = together(lambda _: compute.cancel(city.storage, workload.id), 6)
    assert {one.state for one in cancelled} == {"cancelled"}
    assert city.see(waiting).state == "placed"
    city.assert_books_are_right()


def test_many_runners_share_the_queue_without_running_anything_twice(city, local) -> None:
    city.pool(devices=16, key="large")
    submitted = [city.submit(f"job{number}", wall=30) for number in range(6)]

    def drain(_: int) -> list[str]:
        done = []
        while (workload := compute.run_next(city.storage, local)) is not None:
            done.append(workload.id)
        return done

    ran = [workload for done in together(drain, 3) for workload in done]
    assert sorted(ran) == sorted(workload.id for workload in submitted)
    for workload in submitted:
        assert (city.see(workload).state, city.see(workload).attempts) == ("settled", 1)
    city.assert_books_are_right()
