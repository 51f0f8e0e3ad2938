"""What a submitted workload holds, what it waits for, and what lets it in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from yunhe.compute import admission
from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.kernel.canonical import sha256
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotFound, YunheError
from yunhe.ledger import service as ledger


@contextmanager
def refused(kind: type[YunheError], code: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.code == code
    assert code not in caught.value.message("en") + caught.value.message("zh")


def test_a_submitted_workload_is_placed_under_holds_for_the_most_it_can_cost(city) -> None:
    workload = city.submit(wall=100, devices=2)
    # 2 devices × 100 s at 36.00 an hour: 2.00 CNY, of which the voucher pays at most 20 %.
    assert workload.state == "placed"
    assert workload.why is None
    assert (workload.held_device_ms, workload.held_minor) == (200_000, 200)
    assert city.balance(city.university, "device:cpu", "award") == (800_000, 200_000)
    assert city.balance(city.university, "voucher:CNY", "voucher") == (9_960, 40)
    assert city.balance(city.university, "CNY", "cash") == (99_840, 160)
    with city.storage.database.read() as tx:
        (award,), (voucher,) = compute.awards(tx), compute.vouchers(tx)
        assert workload.awards == (award.award.id,)
        assert (award.used_ms, award.held_ms, award.left_ms) == (0, 200_000, 800_000)
        assert (voucher.used_minor, voucher.held_minor, voucher.left_minor) == (0, 40, 9_960)
        assert [status.devices_busy for status in compute.pools(tx)] == [2]
    city.assert_books_are_right()


def test_submitting_the_same_again_changes_nothing(city) -> None:
    first = city.submit(arguments={"action": "copy", "list": [1, 2]})
    assert city.submit(arguments={"action": "copy", "list": (1, 2)}) == first
    assert city.balance(city.university, "device:cpu", "award") == (900_000, 100_000)
    with refused(Conflict, "compute.workload_differs"):
        city.submit(wall=101)
    with refused(Conflict, "compute.workload_differs"):
        city.submit(arguments={"fraction": 0.5})


def test_the_same_key_of_another_organisation_is_another_workload(city) -> None:
    first = city.submit()
    other = compute.submit(city.storage, city.spec(organisation=city.provider))
    assert other.id != first.id
    assert other.why.code == "compute.waiting_award"


def test_a_workload_beyond_the_award_waits_says_why_and_holds_nothing(city) -> None:
    first = city.submit("first", wall=600)
    beyond = city.submit("beyond", wall=600)
    assert (first.state, beyond.state) == ("placed", "waiting")
    assert (beyond.held_device_ms, beyond.held_minor) == (0, 0)
    assert beyond.why.code == "compute.waiting_award"
    assert dict(beyond.why.params)["left"] == "400.000"
    (change,) = beyond.why.changes
    assert dict(change.params)["missing"] == 200_000
    assert beyond.why.shorter_wall_seconds == 400
    assert city.balance(city.university, "device:cpu", "award") == (400_000, 600_000)
    city.assert_books_are_right()


def test_a_further_award_of_what_is_missing_admits_it_at_once(city) -> None:
    waiting = city.submit(wall=1_200)
    city.award(seconds=200, key="more")
    placed = city.see(waiting)
    assert placed.state == "placed"
    assert placed.why is None
    assert len(placed.awards) == 2
    city.assert_books_are_right()


def test_a_workload_without_money_waits_until_the_account_is_topped_up(bare_city) -> None:
    bare_city.pool()
    bare_city.award()
    waiting = bare_city.submit(wall=100)
    assert waiting.why.code == "compute.waiting_cash"
    (change,) = waiting.why.changes
    assert dict(change.params)["missing"] == 100
    bare_city.cash(99, key="nearly")
    assert compute.reconsider(bare_city.storage) == 0
    bare_city.cash(1, key="enough")
    assert compute.reconsider(bare_city.storage) == 1
    assert bare_city.see(waiting).state == "placed"
    bare_city.assert_books_are_right()


def test_a_voucher_alone_lowers_the_cash_that_is_needed(bare_city) -> None:
    bare_city.pool()
    bare_city.award()
    bare_city.cash(80)
    waiting = bare_city.submit(wall=100)
    assert waiting.state == "waiting"
    bare_city.voucher(1_000)
    assert bare_city.see(waiting).state == "placed"
    assert bare_city.balance(bare_city.university, "voucher:CNY", "voucher") == (980, 20)


def test_a_free_pool_needs_no_money(bare_city) -> None:
    bare_city.pool(price=0)
    bare_city.award()
    workload = bare_city.submit()
    assert (workload.state, workload.held_minor) == ("placed", 0)
    bare_city.assert_books_are_right()


def test_a_workload_waits_for_devices_and_is_placed_when_another_is_cancelled(city) -> None:
    first, second = city.submit("first", devices=2), city.submit("second")
    assert second.why.code == "compute.waiting_capacity"
    cancelled = compute.cancel(city.storage, first.id)
    assert (cancelled.state, cancelled.held_device_ms, cancelled.held_minor) == ("cancelled", 0, 0)
    assert city.see(second).state == "placed"
    assert city.balance(city.university, "device:cpu", "award") == (900_000, 100_000)
    city.assert_books_are_right()


def test_a_workload_waits_for_devices_until_another_pool_is_offered(city) -> None:
    city.submit("first", devices=2)
    second = city.submit("second", devices=2)
    assert second.state == "waiting"
    pool = city.pool(key="another")
    assert (city.see(second).state, city.see(second).pool) == ("placed", pool.id)


def test_cancelling_twice_or_after_the_end_changes_nothing(city) -> None:
    workload = city.submit(wall=2_000)
    assert workload.state == "waiting"
    cancelled = compute.cancel(city.storage, workload.id)
    assert (cancelled.state, cancelled.why) == ("cancelled", None)
    assert compute.cancel(city.storage, workload.id) == cancelled
    assert city.submit(wall=2_000) == cancelled
    with refused(NotFound, "compute.workload_unknown"):
        compute.cancel(city.storage, "workload_nobody")


def test_a_spec_that_no_waiting_would_cure_is_refused_with_every_finding(city) -> None:
    spec = WorkloadSpec(
        key="",
        organisation="org_nobody",
        entry_point="../evil",
        arguments={"rate": 0.1},
        inputs={"../x": "sha256:" + "0" * 64, "data": "md5:1", "gone": sha256(b"never stored")},
        chip="npu",
        devices=0,
        wall_seconds_max=0,
        cpu_seconds_max=-1,
        memory_bytes_max=1 << 20,
        input_reference="00",
    )
    with pytest.raises(Invalid) as caught:
        compute.submit(city.storage, spec)
    error = caught.value
    assert [(finding.where, finding.code) for finding in error.findings] == [
        ("key", "compute.key_invalid"),
        ("entry_point", "compute.word_invalid"),
        ("devices", "compute.amount_invalid"),
        ("wall_seconds_max", "compute.amount_invalid"),
        ("cpu_seconds_max", "compute.amount_invalid"),
        ("memory_bytes_max", "compute.amount_invalid"),
        ("arguments", "compute.arguments_invalid"),
        ("inputs", "compute.input_name_invalid"),
        ("inputs.data", "compute.digest_invalid"),
        ("chip", "compute.chip_nowhere"),
        ("organisation", "identity.organisation_unknown"),
        ("input_reference", "custody.record_unknown"),
        ("inputs.../x", "compute.input_missing"),
        ("inputs.gone", "compute.input_missing"),
    ]
    for finding in error.findings:
        assert finding.code not in finding.message("en") + finding.message("zh")
    with city.storage.database.read() as tx:
        assert compute.workloads(tx) == []


def test_more_devices_than_the_largest_pool_has_are_refused(city) -> None:
    with pytest.raises(Invalid) as caught:
        city.submit(devices=3)
    (finding,) = caught.value.findings
    assert (finding.code, dict(finding.params)["largest"]) == ("compute.devices_too_many", 2)


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"arguments": {"x": "x" * 70_000}}, "compute.arguments_too_large"),
        ({"arguments": {"ключ": 1}}, "compute.arguments_invalid"),
        ({"inputs": {f"i{n}": "x" for n in range(101)}}, "compute.inputs_too_many"),
        ({"devices": True}, "compute.amount_invalid"),
        ({"wall": 31 * 86_400}, "compute.amount_invalid"),
        ({"wall": 1.5}, "compute.amount_invalid"),
    ],
)
def test_other_impossible_specs_are_refused_too(city, over: dict, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        city.submit(**over)
    assert code in {finding.code for finding in caught.value.findings}


def test_what_is_left_of_an_expired_award_is_given_back_and_held_parts_follow(city) -> None:
    placed = city.submit("placed", wall=300)
    city.clock.advance(seconds=366 * 86_400)
    waiting = city.submit("late", wall=10)
    assert waiting.why.code == "compute.waiting_award_expired"
    assert city.balance(city.university, "device:cpu", "award") == (0, 300_000)
    city.assert_books_are_right()
    compute.cancel(city.storage, placed.id)
    assert city.balance(city.university, "device:cpu", "award") == (0, 0)
    with city.storage.database.read() as tx:
        (status,) = compute.awards(tx)
    assert (status.lapsed_ms, status.left_ms) == (1_000_000, 0)
    city.assert_books_are_right()


def test_two_awards_are_used_in_the_order_they_expire(city) -> None:
    sooner = city.award(seconds=50, key="sooner", days=1)
    workload = city.submit(wall=100)
    assert workload.awards[0] == sooner.id
    with city.storage.database.read() as tx:
        held = {status.award.id: status.held_ms for status in compute.awards(tx)}
    assert held[sooner.id] == 50_000
    assert sorted(held.values()) == [50_000, 50_000]


def test_money_that_left_the_account_by_another_way_is_not_counted_on(city) -> None:
    with city.storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=city.university, unit="device:cpu", purpose="award")
        elsewhere = ledger.open_account(
            tx, owner=city.university, unit="device:cpu", purpose="lent"
        )
        entry = ledger.Entry(account, elsewhere, 950_000)
        ledger.transfer(tx, key="lent", entries=[entry], kind="loan", at_us=0)
    workload = city.submit(wall=100)
    assert workload.why.code == "compute.waiting_award"
    assert dict(workload.why.params)["left"] == "50.000"


def test_lists_show_each_organisation_its_own(city) -> None:
    mine = city.submit("mine")
    compute.submit(city.storage, city.spec("theirs", organisation=city.provider))
    with city.storage.database.read() as tx:
        assert compute.workloads(tx, organisation=city.university) == [mine]
        assert len(compute.workloads(tx)) == 2
        assert compute.awards(tx, organisation=city.provider) == []
        assert len(compute.vouchers(tx, organisation=city.university)) == 1
        assert [approval.approved_by for approval in compute.approvals(tx)] == [city.operator]
        with refused(NotFound, "compute.workload_unknown"):
            compute.workload(tx, "workload_nobody")


def test_an_organisation_that_floods_the_queue_holds_up_nobody_but_itself(
    city, monkeypatch
) -> None:
    monkeypatch.setattr(admission, "QUEUE_MAX", 3)
    flood = [city.submit(f"flood{number}", wall=2_000) for number in range(5)]
    assert [one.why.code for one in flood] == ["compute.waiting_award"] * 3 + [
        "compute.waiting_behind"
    ] * 2
    compute.award(
        city.storage,
        key="theirs",
        organisation=city.provider,
        chip="cpu",
        device_ms=10**6,
        expires_at_us=city.clock.now_us() + DAY_US,
        awarded_by=city.operator,
    )
    with city.storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=city.provider, unit="CNY", purpose="cash")
        ledger.grant(tx, key="theirs", account=account, amount=1_000, at_us=0)
    other = compute.submit(city.storage, city.spec("other", organisation=city.provider))
    assert other.state == "placed"
    compute.cancel(city.storage, flood[0].id)
    assert city.see(flood[3]).why.code == "compute.waiting_award"
