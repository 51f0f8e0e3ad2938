"""Corrections: again and again, with vouchers that ran out, in the month itself; their proof."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_compute_budget import Scripted
from test_compute_statements_service import close, correct, ran, refused, to_end_of

from yunhe.compute import service as compute
from yunhe.compute.providers.seam import Metered
from yunhe.compute.scheduling.cost import cost, share
from yunhe.compute.service import statements
from yunhe.compute.statements.figures import taken_back
from yunhe.custody import service as custody
from yunhe.custody import verifier
from yunhe.kernel.errors import Invalid, NotAllowed

JANUARY, FEBRUARY = statements.period("2026-01"), statements.period("2026-02")
SUMS = ("device_ms", "cost_minor", "voucher_minor", "cash_minor")
ACCOUNTS = (("device:cpu", "award"), ("voucher:CNY", "voucher"), ("CNY", "cash"))


def left_of(city, job) -> dict[str, int]:
    """What is still charged of a workload."""
    with city.storage.database.read() as tx:
        made = statements.corrections(tx, workload=job.id)
    return {
        name: getattr(job.usage, name) + sum(getattr(one, name) for one in made) for name in SUMS
    }


def paid_to_provider(city) -> dict[str, int]:
    names = (("device:cpu", "delivered"), ("voucher:CNY", "voucher"), ("CNY", "cash"))
    return {unit: city.balance(city.provider, unit, purpose)[0] for unit, purpose in names}


def vouched(city, *, amount: int = 10_000, key: str = "subsidy"):
    """A voucher of a share, as programmes issue them."""
    return city.voucher(amount, key=key)


@given(
    wall_ms=st.integers(1, 100_000),
    devices=st.integers(1, 2),
    price=st.integers(0, 10_000),
    steps=st.lists(st.integers(0, 1_000), min_size=1, max_size=4),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_run_of_corrections_leaves_what_the_last_one_says_at_the_price_of_the_job(
    new_city, wall_ms, devices, price, steps
):
    city = new_city()
    city.pool(price=price)
    city.award()
    vouched(city, amount=7)
    city.cash(10**6)
    city.approve_trial()
    job = ran(city, "a", wall_ms=wall_ms, devices=devices)
    device_ms = job.usage.device_ms
    for number, part in enumerate(sorted(steps, reverse=True)):
        wanted = device_ms * part // 1_000
        before = left_of(city, job)
        if wanted == before["device_ms"]:
            continue
        correct(city, job.id, wanted, key=f"k{number}")
        now = left_of(city, job)
        assert now["device_ms"] == wanted
        assert now["cost_minor"] == cost(wanted, price_minor_per_device_hour=price)
        assert now["voucher_minor"] + now["cash_minor"] == now["cost_minor"]
        assert all(0 <= now[name] <= before[name] for name in SUMS)
        assert paid_to_provider(city) == {
            "device:cpu": now["device_ms"],
            "voucher:CNY": now["voucher_minor"],
            "CNY": now["cash_minor"],
        }
    city.assert_books_are_right()


@given(
    device_ms=st.integers(0, 10**9),
    price=st.integers(0, 10**6),
    percent=st.integers(0, 100),
    left=st.integers(0, 10**6),
    part=st.integers(0, 1_000),
)
@settings(max_examples=200, deadline=None)
def test_what_is_left_of_a_charge_never_asks_more_of_voucher_or_cash_than_was_paid(
    device_ms, price, percent, left, part
):
    whole = cost(device_ms, price_minor_per_device_hour=price)
    first = share(whole, share_percent=percent, voucher_left_minor=left)
    amount = cost(device_ms * part // 1_000, price_minor_per_device_hour=price)
    second = share(amount, share_percent=percent, voucher_left_minor=first.voucher_minor)
    assert second.voucher_minor <= first.voucher_minor
    assert second.cash_minor <= first.cash_minor
    assert second.voucher_minor * 100 <= amount * percent


def test_a_corrected_job_is_never_charged_more_again_and_nothing_twice(city):
    job = ran(city, "a")
    correct(city, job.id, 10_000, key="k1")
    with refused("compute.correction_upwards"):
        correct(city, job.id, 20_000, key="k2")
    with refused("compute.correction_nothing"):
        correct(city, job.id, 10_000, key="k3")
    correct(city, job.id, 0, key="k4")
    with refused("compute.correction_nothing"):
        correct(city, job.id, 0, key="k5")
    assert left_of(city, job) == dict.fromkeys(SUMS, 0)
    assert paid_to_provider(city) == {"device:cpu": 0, "voucher:CNY": 0, "CNY": 0}
    city.assert_books_are_right()


def test_a_correction_is_no_charge_that_could_be_corrected_itself(city):
    made = correct(city, ran(city, "a").id, 10_000)
    with refused("compute.charge_unknown"):
        correct(city, made.id, 0, key="k2")


def test_what_was_never_charged_cannot_be_given_back(city):
    waiting, cancelled = city.submit("a"), city.submit("b")
    compute.cancel(city.storage, cancelled.id)
    for job in (waiting, cancelled):
        with refused("compute.charge_unknown"):
            correct(city, job.id, 0)
    city.assert_books_are_right()


def test_corrections_from_many_sides_at_once_end_at_the_lowest_and_are_counted_once(city):
    job = ran(city, "a")
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def work(number: int) -> None:
        start.wait()
        try:
            correct(city, job.id, number * 5_000, key=f"k{number}")
            outcomes.append("made")
        except Exception as error:  # noqa: BLE001 - whatever it was, it is looked at below
            outcomes.append(getattr(error, "code", repr(error)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {"made", "compute.correction_upwards"}
    assert left_of(city, job)["device_ms"] == 0
    assert paid_to_provider(city)["device:cpu"] == 0
    city.assert_books_are_right()


def test_the_same_key_from_many_sides_is_one_correction(city):
    job = ran(city, "a")
    start = threading.Barrier(3)
    found: list[statements.Correction] = []

    def work() -> None:
        start.wait()
        found.append(correct(city, job.id, 10_000))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(one == found[0] for one in found)
    assert left_of(city, job)["device_ms"] == 10_000


@pytest.mark.parametrize(
    "given",
    [
        {"device_ms": -1},
        {"device_ms": 2**53},
        {"device_ms": True},
        {"device_ms": 1.0},
        {"reason": ""},
        {"reason": "two\nlines"},
        {"reason": "\x1b[31mred"},
        {"reason": "x" * 2_000},
        {"key": ""},
        {"price_minor_per_device_hour": -1},
    ],
    ids=str,
)
def test_a_correction_that_says_nothing_sensible_is_refused_before_anything_moves(city, given):
    job = ran(city, "a")
    asked = {"key": "k", "workload": job.id, "device_ms": 0, "reason": "broke"}
    with pytest.raises(Invalid) as caught:
        statements.correct(city.storage, corrected_by=city.operator, **{**asked, **given})
    assert caught.value.code == "compute.correction_invalid"
    assert left_of(city, job)["device_ms"] == job.usage.device_ms


def test_nobody_but_an_operator_corrects(city):
    job = ran(city, "a")
    with pytest.raises(NotAllowed):
        statements.correct(
            city.storage,
            key="k",
            workload=job.id,
            device_ms=0,
            reason="mine",
            corrected_by="member_nobody",
        )
    assert left_of(city, job)["device_ms"] == job.usage.device_ms


def test_a_lower_price_is_given_back_and_a_higher_one_is_never_taken(city):
    job = ran(city, "a")
    usage = job.usage
    asked = {"workload": job.id, "device_ms": usage.device_ms, "reason": "list was wrong"}
    asked |= {"corrected_by": city.operator}
    with refused("compute.correction_nothing"):
        statements.correct(city.storage, key="k1", price_minor_per_device_hour=10**6, **asked)
    made = statements.correct(city.storage, key="k2", price_minor_per_device_hour=1_800, **asked)
    wanted = cost(usage.device_ms, price_minor_per_device_hour=1_800)
    assert (made.device_ms, made.cost_minor) == (0, wanted - usage.cost_minor)
    assert left_of(city, job)["cost_minor"] == wanted
    city.assert_books_are_right()


def test_in_its_own_month_a_correction_lowers_the_invoice_and_the_export_keeps_the_rules(city):
    job = ran(city, "a")
    correct(city, job.id, 10_000)
    to_end_of(city, JANUARY)
    invoice, payable = close(city)
    now = left_of(city, job)
    for each in (invoice, payable):
        assert each.lines == 2
        assert {name: getattr(each, name) for name in SUMS} == now
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
    assert statements.focus_check(rows) == []
    assert {row["ChargeClass"] for row in rows.to_pylist()} == {None}
    assert sum(row["BilledCost"] for row in rows.to_pylist()) * 100 == now["cash_minor"]


@pytest.mark.parametrize(
    ("cpu_ms", "per_thousand", "idle_ms", "unwatched_ms"),
    [(7, 0, 30_000, 0), (7, None, 0, 30_000), (7, 5, 29_850, 0)],
    ids=["unused", "unwatched", "reported"],
)
def test_idle_time_never_exceeds_what_corrections_left_of_device_time(
    city, cpu_ms, per_thousand, idle_ms, unwatched_ms
):
    provider = Scripted("succeeded", 30_000)
    samples = 3 if per_thousand is not None else 0
    said = {"utilisation_per_thousand": per_thousand, "utilisation_samples": samples}
    provider._metered = Metered(30_000, cpu_ms, 0, 0, **said)
    job = city.submit("a")
    compute.run_next(city.storage, provider)

    def shown() -> tuple[int, int, int]:
        with city.storage.database.read() as tx:
            (line,) = statements.usage(tx, period=JANUARY)
        return line.device_ms, line.idle_ms, line.unwatched_ms

    assert shown() == (30_000, idle_ms, unwatched_ms)
    for number, left_ms in enumerate((20_000, 9_999, 1, 0)):
        correct(city, job.id, left_ms, key=f"k{number}")
        now_ms, idle, unknown = shown()
        assert now_ms == left_ms
        assert idle == idle_ms * left_ms // 30_000 <= now_ms
        assert unknown == unwatched_ms * left_ms // 30_000 <= now_ms
    assert city.see(job).usage.utilisation_per_thousand == per_thousand  # raw as it was
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
    assert statements.focus_check(rows) == []
    told = [row for row in rows.to_pylist() if row["ChargeCategory"] == "Usage"]
    kept_ms = sum(row["x_IdleMilliseconds"] or 0 for row in told)
    assert kept_ms <= sum(row["x_DeviceMilliseconds"] for row in told)


@given(
    device_ms=st.integers(0, 10**9),
    share=st.integers(0, 1_000),
    steps=st.lists(st.integers(0, 1_000), max_size=5),
)
def test_whatever_is_corrected_a_part_stays_a_part(device_ms, share, steps):
    part_ms = device_ms * share // 1_000
    left_ms, left_part_ms = device_ms, part_ms
    for step in (*sorted(steps, reverse=True), 0):
        after_ms = min(left_ms, device_ms * step // 1_000)
        left_part_ms += taken_back(
            part_ms, device_ms=device_ms, before_ms=left_ms, after_ms=after_ms
        )
        left_ms = after_ms
        assert 0 <= left_part_ms <= left_ms
    assert left_part_ms == 0


def test_an_invoice_of_nothing_but_corrections_is_below_zero_and_the_month_before_unchanged(city):
    job = ran(city, "a")
    to_end_of(city, JANUARY)
    first, _ = close(city)
    correct(city, job.id, 0)
    to_end_of(city, FEBRUARY)
    second, _ = close(city, FEBRUARY)
    assert {name: getattr(second, name) + getattr(first, name) for name in SUMS} == dict.fromkeys(
        SUMS, 0
    )
    (line,) = statements.content(city.storage, second)["lines"]
    assert (line["kind"], line["corrects"], line["workload"]) == ("correction", "2026-01", job.id)
    with city.storage.database.read() as tx:
        assert statements.document(tx, first.id) == first
        (usage,) = statements.usage(tx, period=FEBRUARY)
    assert usage.cost_minor == second.cost_minor < 0


def test_invoices_statements_and_corrections_prove_themselves_to_a_stranger(city, tmp_path):
    job = ran(city, "a")
    made = correct(city, job.id, 10_000)
    to_end_of(city, JANUARY)
    documents = close(city)
    signer = custody.create_log(tmp_path / "log", "city.example")
    custody.Sequencer(city.storage, signer).run_once()
    for reference in (made.reference, *(each.reference for each in documents)):
        receipt = custody.receipt_bytes(custody.receipt(city.storage, reference))
        verdict = custody.verify(receipt, custody.trust(tmp_path / "log"))
        assert verdict.ok, verifier.describe(verdict, "en")
        assert "compute." not in verifier.describe(verdict, "zh")
        assert "计费更正" in verifier.describe(verdict, "zh") or reference != made.reference
